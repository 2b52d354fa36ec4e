package hero.supervisor;

import java.util.Objects;

/**
 * How a client deals with a server that does not answer.
 *
 * @param failFast whether waits fail with reason {@code NO_SERVER} at the first failure, rather than wait for a server. A server
 *     that has answered once is waited for in any case.
 * @param logger gets a warning when a server does not answer several times in a row
 */
public record ConnectOptions(boolean failFast, System.Logger logger) {
    /** Checks that there is a logger. */
    public ConnectOptions {
        Objects.requireNonNull(logger, "logger");
    }

    /** Waits for a server, and logs to {@code System.getLogger("hero.supervisor")}. */
    public static ConnectOptions defaults() {
        return new ConnectOptions(false, System.getLogger("hero.supervisor"));
    }

    /** The same with another {@link #failFast()}. */
    public ConnectOptions withFailFast(boolean failFast) {
        return new ConnectOptions(failFast, logger);
    }

    /** The same with another {@link #logger()}. */
    public ConnectOptions withLogger(System.Logger logger) {
        return new ConnectOptions(failFast, logger);
    }
}
