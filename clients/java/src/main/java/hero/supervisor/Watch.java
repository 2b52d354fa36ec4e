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
import java.util.function.Predicate;

/**
 * Follows what happens until it is closed, or the job that it follows has ended. It goes on by itself behind the last message when the connection is lost, the
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

    /**
     * How the streams of a watch are read.
     *
     * @param heartbeat longest silence of the server; zero for its default
     * @param begin where the first stream begins
     * @param open opens a stream
     * @param partsOf what the watch needs of a message
     * @param isLast whether a stream that ends behind this message, or null for none at all, is not opened again
     */
    record Course<M>(
            Duration heartbeat,
            Place begin,
            Function<Place, Iterator<M>> open,
            Function<M, Parts> partsOf,
            Predicate<M> isLast) {}

    private final Context.CancellableContext context;
    private final ScheduledExecutorService timer;
    private final Outage outage;
    private final Course<M> course;
    private final long silenceMillis;
    private final Delays delays = new Delays();

    private volatile boolean closed;
    private Place place;
    /** A snapshot that breaks off is asked for again as a whole: its cursors do not say how far it came. */
    private boolean inSnapshot;

    private Context.CancellableContext stream;
    private Iterator<M> messages;
    private M next;
    /** The message before the next one, or null. */
    private M last;

    Watch(ScheduledExecutorService timer, Outage outage, Course<M> course) {
        this.context = Context.current().withCancellation();
        this.timer = timer;
        this.outage = outage;
        this.course = course;
        Duration heartbeat = course.heartbeat().isZero() ? DEFAULT_HEARTBEAT : course.heartbeat();
        this.silenceMillis = heartbeat.toMillis() * SILENT_HEARTBEATS;
        this.place = course.begin();
        this.inSnapshot = place.cursor().isEmpty() && !Boolean.FALSE.equals(place.snapshot());
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
                outage.reset();
                last = message;
                note(course.partsOf().apply(message));
                return message;
            }
        } catch (RuntimeException error) {
            told = SupervisorException.of(error);
        }
        stop();
        if (context.isCancelled()) {
            return null;
        }
        if (told == null && course.isLast().test(last)) {
            close();
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
        if (told != null) {
            outage.note(told);
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
                messages = course.open().apply(place);
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
