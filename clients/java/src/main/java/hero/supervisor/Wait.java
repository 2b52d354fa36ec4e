package hero.supervisor;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;

/** The wait of one caller, which outlives lost connections and restarts of the server. */
final class Wait {
    /** What a call may take beyond its wait before it counts as lost. */
    static final Duration CALL_MARGIN = Duration.ofSeconds(10);
    /** Longest wait of one call; then the next one is made. */
    private static final Duration POLL = Duration.ofSeconds(60);

    /** How long a wait may take, for the text of its error. */
    private static final Context.Key<Duration> LIMIT = Context.keyWithDefault("hero.supervisor.limit", Duration.ZERO);

    private final Outage outage;
    private final Context context = Context.current();
    private final Delays delays = new Delays();
    private final long began = System.nanoTime();
    /** How long it may take in all. */
    private final Duration limit;
    private final String requestId;
    private String jobId;
    /** Whether the server has answered since the wait began. */
    private boolean answered;
    /** The last failure of a server that was asked in time. */
    private SupervisorException last;

    /** A wait for a job whose id is known, or is empty as long as nothing is known of a job. */
    Wait(Outage outage, String requestId, String jobId) {
        this.outage = outage;
        this.limit = LIMIT.get(context);
        this.requestId = requestId;
        this.jobId = jobId;
    }

    /** Does the work in a context that ends with the time-out. */
    static <T> T within(ScheduledExecutorService timer, Duration timeout, Supplier<T> work) {
        Context outer = Context.current();
        Deadline deadline = Deadline.after(timeout.toNanos(), TimeUnit.NANOSECONDS);
        Deadline earlier = outer.getDeadline();
        Duration limit =
                earlier == null || deadline.isBefore(earlier)
                        ? timeout
                        : Duration.ofNanos(earlier.timeRemaining(TimeUnit.NANOSECONDS));
        try (Context.CancellableContext context = outer.withValue(LIMIT, limit).withDeadline(deadline, timer)) {
            return context.call(work::get);
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Notes that there is the job. */
    void known(String id) {
        jobId = id;
    }

    /**
     * Repeats a call until it answers something: at once when that is null, later and later while the server is away. The call
     * gets how long it may wait.
     */
    <T> T until(Function<Duration, T> call) {
        while (!context.isCancelled()) {
            SupervisorException told;
            try {
                T answer = call.apply(nextPoll());
                if (answer != null) {
                    return answer;
                }
                answered = true;
                last = null;
                delays.reset();
                outage.reset();
                continue;
            } catch (StatusRuntimeException error) {
                told = SupervisorException.of(error);
            }
            note(told);
            if (context.isCancelled()) {
                break;
            }
            if (outage.options().failFast() && !answered && told.code() != Status.Code.CANCELLED) {
                throw noServer(Status.Code.UNAVAILABLE, "", "");
            }
            outage.note(told);
            try {
                delays.pause(context, told.retryAfter());
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw over(interrupted);
            }
        }
        throw over(context.cancellationCause());
    }

    /** Remembers a failure; throws it when a repeat does not cure it, unless the wait is over anyhow. */
    private void note(SupervisorException told) {
        if (!context.isCancelled() && !told.isLost()) {
            throw told;
        }
        if (told.isLost() && told.metadata().containsKey("job_id")) {
            jobId = told.metadata().get("job_id");
        }
        // The end of the wait ends the call, too, which is not why the server did not answer before.
        if (last == null || !told.isEndOfCall()) {
            last = told;
        }
    }

    private Duration nextPoll() {
        Deadline deadline = context.getDeadline();
        if (deadline == null) {
            return POLL;
        }
        Duration left = Duration.ofNanos(Math.max(deadline.timeRemaining(TimeUnit.NANOSECONDS), 0));
        return left.compareTo(POLL) < 0 ? left : POLL;
    }

    /** The error of a wait that is over, by time or because the caller gave it up. */
    private SupervisorException over(Throwable cause) {
        boolean late = context.getDeadline() != null && context.getDeadline().isExpired();
        Status.Code code = late ? Status.Code.DEADLINE_EXCEEDED : Status.Code.CANCELLED;
        // A job that is there goes on, whatever became of the last call.
        if (jobId.isEmpty() || (last != null && !last.isEndOfCall())) {
            SupervisorException error = noServer(code, late ? "" : "the wait was given up: ", within(late));
            if (last == null) {
                error.initCause(cause);
            } else if (cause != null && !late) {
                error.addSuppressed(cause);
            }
            return error;
        }
        String message =
                late
                        ? "the wait is over before the job; it goes on, await it by its id"
                        : "the wait was given up; the job goes on, await it by its id";
        return new SupervisorException(code, "WAIT_OVER", message, metadata(), cause);
    }

    /** The error of a wait in which no server was of use; a server that said why keeps its reason. */
    private SupervisorException noServer(Status.Code code, String before, String within) {
        boolean told = last != null && !last.reason().isEmpty();
        String message =
                before
                        + (told
                                ? "the server at " + outage.address() + " could not help"
                                : "no server answered at " + outage.address())
                        + within
                        + (last == null ? "" : last.why())
                        + (jobId.isEmpty()
                                ? "; nothing is known of a job"
                                : "; job " + jobId + " may go on, await it by its id");
        return last == null
                ? new SupervisorException(code, "NO_SERVER", message, metadata())
                : new SupervisorException(code, told ? last.reason() : "NO_SERVER", message, metadata(), last);
    }

    private String within(boolean late) {
        double seconds = late ? hundredths(limit) : hundredths(Duration.ofNanos(System.nanoTime() - began));
        String text = seconds == Math.rint(seconds) ? Long.toString((long) seconds) : Double.toString(seconds);
        return " within " + text + " s";
    }

    private static double hundredths(Duration duration) {
        return Math.round(duration.toNanos() / 1e7) / 100.0;
    }

    private Map<String, String> metadata() {
        Map<String, String> metadata = new LinkedHashMap<>();
        if (!jobId.isEmpty()) {
            metadata.put("job_id", jobId);
        }
        if (!requestId.isEmpty()) {
            metadata.put("request_id", requestId);
        }
        return metadata;
    }
}
