package hero.supervisor;

import io.grpc.Status;
import java.time.Duration;
import java.util.Map;

/** The caller may not do this. Such a call is never repeated, and a stream not resumed. */
public final class PermissionDeniedException extends SupervisorException {
    private static final long serialVersionUID = 1L;

    PermissionDeniedException(String reason, String message, Map<String, String> metadata, Throwable cause) {
        super(Status.Code.PERMISSION_DENIED, reason, message, metadata, Duration.ZERO, Map.of(), cause);
    }
}
