package hero.supervisor;

import java.time.Duration;

/** Counts the failures of a server in a row, and logs them. */
final class Outage {
    /** A server that fails so often in a row is worth a line in the log … */
    private static final int FAILURES_TO_LOG = 3;
    /** … and another one after each of these times. */
    private static final Duration LOG_AGAIN = Duration.ofMinutes(1);

    private final ConnectOptions options;
    private final String address;
    private int failures;
    private long logAt = Long.MIN_VALUE;

    Outage(ConnectOptions options, String address) {
        this.options = options;
        this.address = address;
    }

    ConnectOptions options() {
        return options;
    }

    String address() {
        return address;
    }

    /** Notes one more failure. */
    void note(SupervisorException error) {
        failures++;
        long now = System.nanoTime() / 1_000_000;
        if (failures < FAILURES_TO_LOG || now < logAt) {
            return;
        }
        logAt = now + LOG_AGAIN.toMillis();
        options.logger()
                .log(
                        System.Logger.Level.WARNING,
                        "supervisor: no answer at {0}, trying again ({1} failures){2}",
                        address,
                        failures,
                        error.why());
    }

    /** Notes that the server has answered. */
    void reset() {
        failures = 0;
        logAt = Long.MIN_VALUE;
    }
}
