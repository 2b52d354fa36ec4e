package hero.supervisor;

import io.grpc.Context;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** Waits between repeats, longer from one failure in a row to the next. */
final class Delays {
    private static final long FIRST_MILLIS = 100;
    private static final long LAST_MILLIS = 5_000;

    private int failures;

    /** Sleeps as the server asked for, or a little longer than the last time; less when {@code context} ends first. */
    void pause(Context context, Duration asked) throws InterruptedException {
        long longest = Math.min(FIRST_MILLIS << Math.min(failures, 10), LAST_MILLIS);
        failures++;
        // So that many clients do not come at once.
        long delay = longest / 2 + ThreadLocalRandom.current().nextLong(longest / 2 + 1);
        CountDownLatch ended = new CountDownLatch(1);
        Context.CancellationListener listener = over -> ended.countDown();
        context.addListener(listener, Runnable::run);
        try {
            boolean early = ended.await(Math.max(delay, asked.toMillis()), TimeUnit.MILLISECONDS);
            assert !early || context.isCancelled();
        } finally {
            context.removeListener(listener);
        }
    }

    void reset() {
        failures = 0;
    }
}
