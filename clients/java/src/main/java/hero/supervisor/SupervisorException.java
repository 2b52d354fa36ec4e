package hero.supervisor;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/** What a call of a supervisor failed with, made readable for programs. */
public sealed class SupervisorException extends RuntimeException
        permits UnauthenticatedException, PermissionDeniedException {
    /** Domain of every {@code google.rpc.ErrorInfo} of a supervisor. */
    public static final String DOMAIN = "supervisor.hero";

    private static final long serialVersionUID = 1L;

    private final Status.Code code;
    private final String reason;
    private final transient Map<String, String> metadata;
    private final Duration retryAfter;
    private final transient Map<String, String> fields;

    SupervisorException(
            Status.Code code, String reason, String message, Map<String, String> metadata, Throwable cause) {
        this(code, reason, message, metadata, Duration.ZERO, Map.of(), cause);
    }

    SupervisorException(
            Status.Code code,
            String reason,
            String message,
            Map<String, String> metadata,
            Duration retryAfter,
            Map<String, String> fields,
            Throwable cause) {
        super(message, cause);
        this.code = code;
        this.reason = reason;
        this.metadata = Map.copyOf(metadata);
        this.retryAfter = retryAfter;
        this.fields = Map.copyOf(fields);
    }

    /** Reads the error of any call, also of the generated stubs. */
    public static SupervisorException of(Throwable error) {
        if (error instanceof SupervisorException known) {
            return known;
        }
        Status status = Status.fromThrowable(error);
        String reason = "";
        Map<String, String> metadata = Map.of();
        Duration retryAfter = Duration.ZERO;
        Map<String, String> fields = new LinkedHashMap<>();
        com.google.rpc.Status told = StatusProto.fromThrowable(error);
        try {
            for (Any detail : told == null ? java.util.List.<Any>of() : told.getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    if (info.getDomain().equals(DOMAIN)) {
                        reason = info.getReason();
                        metadata = info.getMetadataMap();
                    }
                } else if (detail.is(RetryInfo.class)) {
                    var delay = detail.unpack(RetryInfo.class).getRetryDelay();
                    retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
                } else if (detail.is(BadRequest.class)) {
                    detail.unpack(BadRequest.class)
                            .getFieldViolationsList()
                            .forEach(violation -> fields.put(violation.getField(), violation.getDescription()));
                }
            }
        } catch (InvalidProtocolBufferException broken) {
            error.addSuppressed(broken);
        }
        // A call on a connection that has just been lost; the server did not say so, and nobody else knows better.
        boolean broke = status.getCode() == Status.Code.UNKNOWN && reason.isEmpty();
        if (broke) {
            status = Status.UNAVAILABLE.withDescription(status.getDescription()).withCause(status.getCause());
        }
        String message = status.getDescription() == null ? status.getCode().toString() : status.getDescription();
        return switch (status.getCode()) {
            case UNAUTHENTICATED -> new UnauthenticatedException(reason, message, metadata, error);
            case PERMISSION_DENIED -> new PermissionDeniedException(reason, message, metadata, error);
            default ->
                    new SupervisorException(status.getCode(), reason, message, metadata, retryAfter, fields, error);
        };
    }

    /** Makes a call, and reads its error as {@link #of} does. */
    static <T> T told(Supplier<T> call) {
        try {
            return call.get();
        } catch (StatusRuntimeException error) {
            throw of(error);
        }
    }

    /** Code of gRPC; decide by it when you do not know the reason. */
    public Status.Code code() {
        return code;
    }

    /**
     * Name of an ErrorReason without its prefix, for instance {@code JOB_NOT_FOUND}. Empty if the error does not come from
     * a supervisor. Of this client's own are {@code WAIT_OVER}, with a job that goes on, and {@code NO_SERVER}, when nobody
     * answered and nothing is known of a job.
     */
    public String reason() {
        return reason;
    }

    /** The variable parts of the message. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** How long to wait before the call is repeated; zero if the server did not say. */
    public Duration retryAfter() {
        return retryAfter;
    }

    /** The refused fields by path, with reason {@code INVALID_FIELD}. */
    public Map<String, String> fields() {
        return fields;
    }

    @Override
    public String toString() {
        return reason.isEmpty() ? code + ": " + getMessage() : code + " (" + reason + "): " + getMessage();
    }

    /** Whether nobody said anything before the call ended: its deadline passed, or its caller left. */
    boolean isEndOfCall() {
        return reason.isEmpty() && (code == Status.Code.DEADLINE_EXCEEDED || code == Status.Code.CANCELLED);
    }

    /** What this adds to the text of another error, with the exception below it; the end of a call adds nothing. */
    String why() {
        if (isEndOfCall()) {
            return "";
        }
        Throwable below = Status.fromThrowable(this).getCause();
        // gRPC says so of every failure of the network, of some with its inner parts below; Netty puts a line of its own
        // before what Linux says.
        boolean plain = getMessage().lines().findFirst().orElse("").equals("io exception");
        if (below == null || below.getMessage() == null || (!plain && getMessage().endsWith(": " + below.getMessage()))) {
            return ": " + getMessage();
        }
        String above = plain ? "" : getMessage() + ": ";
        return ": " + above + below.getMessage().replaceFirst("^\\w+\\(\\.\\.\\) failed with error\\(-?\\d+\\): ", "");
    }

    /**
     * Whether a call failed because the server or the way to it is away, so that a harmless call is repeated. Servers answer
     * INTERNAL only with a reason; a connection that breaks may look like it without one. TIMED_OUT says that the server has
     * lost an answer itself: what was asked may have been done.
     */
    boolean isLost() {
        return isAway() || reason.equals("TIMED_OUT") || (code == Status.Code.DEADLINE_EXCEEDED && reason.isEmpty());
    }

    /**
     * Whether the server or the way to it is away, so that a read is repeated. A way that breaks may look like CANCELLED, INTERNAL or
     * UNKNOWN; what a server itself says of this kind has a reason.
     */
    boolean isAway() {
        return switch (code) {
            case UNAVAILABLE -> true;
            case CANCELLED, INTERNAL, UNKNOWN -> reason.isEmpty();
            default -> false;
        };
    }
}
