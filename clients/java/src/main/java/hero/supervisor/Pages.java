package hero.supervisor;

import hero.supervisor.v1.Actor;
import hero.supervisor.v1.Event;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.ListActorsRequest;
import hero.supervisor.v1.ListEventsRequest;
import hero.supervisor.v1.ListJobsRequest;
import hero.supervisor.v1.SupervisorGrpc.SupervisorBlockingStub;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;
import java.util.function.Supplier;

/** Reads the items of a list page by page; a page is asked for when the one before it is used up. */
final class Pages<T> implements Iterable<T> {
    /** One page, and the token of the next one, which is empty at the end. */
    record Page<T>(List<T> items, String nextPageToken) {}

    private final Function<String, Page<T>> fetch;

    static Pages<Job> jobs(Supplier<SupervisorBlockingStub> stub, ListJobsRequest filter) {
        return new Pages<>(
                token -> {
                    var page = stub.get().listJobs(filter.toBuilder().setPageToken(token).build());
                    return new Page<>(page.getJobsList(), page.getNextPageToken());
                });
    }

    static Pages<Actor> actors(Supplier<SupervisorBlockingStub> stub, ListActorsRequest filter) {
        return new Pages<>(
                token -> {
                    var page = stub.get().listActors(filter.toBuilder().setPageToken(token).build());
                    return new Page<>(page.getActorsList(), page.getNextPageToken());
                });
    }

    static Pages<Event> events(Supplier<SupervisorBlockingStub> stub, ListEventsRequest filter) {
        return new Pages<>(
                token -> {
                    var page = stub.get().listEvents(filter.toBuilder().setPageToken(token).build());
                    return new Page<>(page.getEventsList(), page.getNextPageToken());
                });
    }

    Pages(Function<String, Page<T>> fetch) {
        this.fetch = fetch;
    }

    @Override
    public Iterator<T> iterator() {
        return new Iterator<>() {
            private Iterator<T> items = List.<T>of().iterator();
            /** Null behind the last page. */
            private String token = "";

            @Override
            public boolean hasNext() {
                while (!items.hasNext() && token != null) {
                    String asked = token;
                    Page<T> page = SupervisorException.told(() -> fetch.apply(asked));
                    items = page.items().iterator();
                    token = page.nextPageToken().isEmpty() ? null : page.nextPageToken();
                }
                return items.hasNext();
            }

            @Override
            public T next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("the list is at its end");
                }
                return items.next();
            }
        };
    }
}
