package hero.supervisor;

import hero.supervisor.v1.LogEntry;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/**
 * Lines of a job or an actor, oldest first. They go on behind the last message when the connection is lost. Lines that a slow
 * reader has missed are left out. Another thread may close them; the reader then finds their end.
 */
public final class LogLines implements Iterator<LogEntry>, Iterable<LogEntry>, AutoCloseable {
    private final Watch<?> watch;
    private final Iterator<List<LogEntry>> parts;
    private Iterator<LogEntry> lines = List.<LogEntry>of().iterator();

    <M> LogLines(Watch<M> watch, Function<M, List<LogEntry>> linesOf) {
        this.watch = watch;
        this.parts =
                new Iterator<>() {
                    @Override
                    public boolean hasNext() {
                        return watch.hasNext();
                    }

                    @Override
                    public List<LogEntry> next() {
                        return linesOf.apply(watch.next());
                    }
                };
    }

    @Override
    public boolean hasNext() {
        while (!lines.hasNext() && parts.hasNext()) {
            lines = parts.next().iterator();
        }
        return lines.hasNext();
    }

    @Override
    public LogEntry next() {
        if (!hasNext()) {
            throw new NoSuchElementException("there are no more lines");
        }
        return lines.next();
    }

    /** Itself, for {@code for (var line : lines)}. */
    @Override
    public Iterator<LogEntry> iterator() {
        return this;
    }

    @Override
    public void close() {
        watch.close();
    }
}
