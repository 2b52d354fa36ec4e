package hero.supervisor;

import hero.supervisor.v1.Bookmark;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Status;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Follows what happens until it is closed. It goes on by itself behind the last message when the connection is lost, the
 * server restarted, or this reader was too slow: nothing is left out, nothing comes twice.
 *
 * <p>Only if the server no longer keeps what came after the last message, it begins anew with a snapshot, up to a bookmark
 * {@code KIND_SNAPSHOT_END}; that is how to notice it. Errors that a repeat does not cure are thrown by {@link #next()} and {@link
 * #hasNext()}. Another thread may close it; the reader then finds its end.
 *
 * @param <M> the messages
 */
public final class Watch<M> implements Iterator<M>, Iterable<M>, AutoCloseable {
    /** What the server keeps to if it is not asked for something else. */
    private static final Duration DEFAULT_HEARTBEAT = Duration.ofSeconds(15);
    /** A watch that is silent for so many heartbeats has lost its server. */
    private static final int SILENT_HEARTBEATS = 3;

    /** Where a watch begins; {@code snapshot} is null when it is the server's choice. */
    record Place(String cursor, Boolean snapshot) {}

    /** What the two kinds of messages have in common. */
    record Parts(String cursor, Bookmark.Kind bookmark) {}

    private final Context.CancellableContext context;
    private final ScheduledExecutorService timer;
    private final long silenceMillis;
    private final Function<Place, Iterator<M>> open;
    private final Function<M, Parts> partsOf;
    private final Delays delays = new Delays();

    private volatile boolean closed;
    private Place place;
    /** A snapshot that breaks off is asked for again as a whole: its cursors do not say how far it came. */
    private boolean inSnapshot;

    private Context.CancellableContext stream;
    private Iterator<M> messages;
    private M next;

    Watch(
            ScheduledExecutorService timer,
            Duration heartbeat,
            Place begin,
            Function<Place, Iterator<M>> open,
            Function<M, Parts> partsOf) {
        this.context = Context.current().withCancellation();
        this.timer = timer;
        this.silenceMillis = (heartbeat.isZero() ? DEFAULT_HEARTBEAT : heartbeat).toMillis() * SILENT_HEARTBEATS;
        this.open = open;
        this.partsOf = partsOf;
        this.place = begin;
        this.inSnapshot = begin.cursor().isEmpty() && !Boolean.FALSE.equals(begin.snapshot());
    }

    @Override
    public boolean hasNext() {
        while (next == null) {
            if (closed) {
                return false;
            }
            if (context.isCancelled()) {
                throw SupervisorException.of(Contexts.statusFromCancelled(context).asRuntimeException());
            }
            try {
                next = read();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                close();
                return false;
            }
        }
        return true;
    }

    @Override
    public M next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the watch was closed");
        }
        M message = next;
        next = null;
        return message;
    }

    /** Itself, for {@code for (var message : watch)}. */
    @Override
    public Iterator<M> iterator() {
        return this;
    }

    @Override
    public void close() {
        closed = true;
        context.cancel(null);
    }

    /** The next message, or null when the stream has to be opened again. */
    private M read() throws InterruptedException {
        SupervisorException told = null;
        try {
            M message = receive();
            if (message != null) {
                delays.reset();
                note(partsOf.apply(message));
                return message;
            }
        } catch (RuntimeException error) {
            told = SupervisorException.of(error);
        }
        stop();
        if (context.isCancelled()) {
            return null;
        }
        if (told != null && !told.isLost() && !told.reason().equals("CONSUMER_TOO_SLOW")) {
            if (told.code() != Status.Code.OUT_OF_RANGE) {
                close();
                throw told;
            }
            place = new Place("", true);
            inSnapshot = true;
        }
        delays.pause(context, told == null ? Duration.ZERO : told.retryAfter());
        return null;
    }

    /** What comes next on the stream, opened if need be; null at its end. */
    private M receive() {
        if (messages == null) {
            stream = context.withCancellation();
            Context before = stream.attach();
            try {
                messages = open.apply(place);
            } finally {
                stream.detach(before);
            }
        }
        Context.CancellableContext watched = stream;
        ScheduledFuture<?> watchdog =
                timer.schedule(() -> watched.cancel(null), silenceMillis, TimeUnit.MILLISECONDS);
        try {
            return messages.hasNext() ? messages.next() : null;
        } finally {
            watchdog.cancel(false);
        }
    }

    private void note(Parts parts) {
        if (parts.bookmark() == Bookmark.Kind.KIND_SNAPSHOT_END) {
            inSnapshot = false;
        }
        if (!inSnapshot && !parts.cursor().isEmpty()) {
            place = new Place(parts.cursor(), null);
        }
    }

    private void stop() {
        if (stream != null) {
            stream.cancel(null);
        }
        stream = null;
        messages = null;
    }
}
