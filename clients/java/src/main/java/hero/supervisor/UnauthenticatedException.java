package hero.supervisor;

import io.grpc.Status;
import java.time.Duration;
import java.util.Map;

/**
 * The server does not know who is calling: the token or the certificate is missing, unknown, expired or revoked. Such a call is never
 * repeated, and a stream not resumed.
 */
public final class UnauthenticatedException extends SupervisorException {
    private static final long serialVersionUID = 1L;

    UnauthenticatedException(String reason, String message, Map<String, String> metadata, Throwable cause) {
        super(Status.Code.UNAUTHENTICATED, reason, message, metadata, Duration.ZERO, Map.of(), cause);
    }
}
