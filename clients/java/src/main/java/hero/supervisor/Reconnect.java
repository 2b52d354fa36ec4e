package hero.supervisor;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Makes a broken connection anew sooner than gRPC for Java does, which waits a second and more: longer than all tries of a read
 * take. It is made as soon as the tries are repeated, later and later while it breaks again.
 */
final class Reconnect {
    /** Before a broken connection is made again, at first and at most. */
    private static final Duration FIRST = Duration.ofMillis(200);

    private static final Duration LONGEST = Duration.ofSeconds(5);

    private final ManagedChannel channel;
    private final ScheduledExecutorService timer;
    /** How often the state of the channel has changed. */
    private final AtomicInteger changes = new AtomicInteger();

    private Reconnect(ManagedChannel channel, ScheduledExecutorService timer) {
        this.channel = channel;
        this.timer = timer;
    }

    /** Cares for a channel until that is shut down. */
    static void soon(ManagedChannel channel, ScheduledExecutorService timer) {
        new Reconnect(channel, timer).changed();
    }

    private void changed() {
        int change = changes.incrementAndGet();
        ConnectivityState state = channel.getState(false);
        if (state == ConnectivityState.TRANSIENT_FAILURE) {
            resetAfter(FIRST, change);
        }
        if (state != ConnectivityState.SHUTDOWN) {
            channel.notifyWhenStateChanged(state, this::changed);
        }
    }

    /**
     * The channel says nothing of failures one after the other, since it stays in TRANSIENT_FAILURE until it is connected; so
     * each reset arranges for the next one, until the state is no longer that of {@code change}.
     */
    private void resetAfter(Duration delay, int change) {
        Runnable reset =
                () -> {
                    if (changes.get() == change && channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
                        channel.resetConnectBackoff();
                        // Like the pauses of a read: a server that is back before the last of them is to be connected by
                        // then.
                        Duration longer = delay.multipliedBy(3).dividedBy(2);
                        resetAfter(longer.compareTo(LONGEST) < 0 ? longer : LONGEST, change);
                    }
                };
        try {
            timer.schedule(reset, delay.toMillis(), TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException closed) {
            // The client was closed meanwhile: there is nothing to connect any more.
        }
    }
}
