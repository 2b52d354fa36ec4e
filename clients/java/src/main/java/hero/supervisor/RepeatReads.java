package hero.supervisor;

import io.grpc.Attributes;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Repeats a read up to three times while the server or the way to it is away, wherever the call has broken off: gRPC's own retries
 * leave out a call whose answer has begun, and choose the connection of a try before the pause in front of it.
 */
final class RepeatReads implements ClientInterceptor {
    /**
     * Reads may be repeated without harm, so they are. Calls that change something are repeated by {@link SupervisorClient#run} and
     * its like, which give them a request id, and by nobody else.
     */
    private static final Set<String> READS =
            Set.of(
                    "GetServerInfo",
                    "GetActor",
                    "ListActors",
                    "GetScriptType",
                    "ListScriptTypes",
                    "GetQueue",
                    "ListQueues",
                    "ListNodes",
                    "AwaitJob",
                    "GetJob",
                    "ExplainJob",
                    "ListJobs",
                    "ListEvents",
                    "ListIdentities",
                    "ListAuditEntries");

    private static final int MOST_ATTEMPTS = 4;
    private static final Duration FIRST_DELAY = Duration.ofMillis(200);

    private final ScheduledExecutorService timer;

    RepeatReads(ScheduledExecutorService timer) {
        this.timer = timer;
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        if (!READS.contains(method.getBareMethodName())) {
            return next.newCall(method, options);
        }
        return new Read<>(() -> next.newCall(method, options), options, timer);
    }

    /** 0.2 s, 0.4 s and 0.8 s behind the attempts, or up to twice as long, so that many clients do not come at once. */
    private static Duration delay(int attempt) {
        long millis = FIRST_DELAY.toMillis() << (attempt - 1);
        return Duration.ofMillis(millis + ThreadLocalRandom.current().nextLong(millis));
    }

    /** Makes one more call. */
    private interface Calls<Q, A> {
        ClientCall<Q, A> make();
    }

    /** One read: calls one after the other, whose answers are kept until it is known that they are whole. */
    private static final class Read<Q, A> extends ClientCall<Q, A> {
        private final Calls<Q, A> calls;
        private final Executor executor;
        private final Deadline deadline;
        private final ScheduledExecutorService timer;
        private final Context context = Context.current();
        /** Ends a pause of a caller who has left. */
        private final Context.CancellationListener left = ended -> hurry();

        private Listener<A> listener;
        private Metadata headers;
        private Q message;
        private boolean halfClosed;
        private int asked;
        private int attempts;
        private ClientCall<Q, A> call;
        /** What comes behind the pause, or null when there is none. */
        private Runnable next;
        /** How the caller has given the read up, or null. */
        private Status cancelled;

        Read(Calls<Q, A> calls, CallOptions options, ScheduledExecutorService timer) {
            this.calls = calls;
            this.executor = options.getExecutor() == null ? timer : options.getExecutor();
            Deadline own = options.getDeadline();
            Deadline outer = context.getDeadline();
            this.deadline = own == null ? outer : outer == null ? own : own.minimum(outer);
            this.timer = timer;
            this.call = calls.make();
        }

        @Override
        public void start(Listener<A> responseListener, Metadata requestHeaders) {
            listener = responseListener;
            headers = copy(requestHeaders);
            attempts = 1;
            call.start(new Answer(), requestHeaders);
        }

        @Override
        public synchronized void request(int messages) {
            asked += messages;
            call.request(messages);
        }

        @Override
        public synchronized void sendMessage(Q sent) {
            message = sent;
            call.sendMessage(sent);
        }

        @Override
        public synchronized void halfClose() {
            halfClosed = true;
            call.halfClose();
        }

        @Override
        public void cancel(String why, Throwable cause) {
            synchronized (this) {
                cancelled = Status.CANCELLED.withDescription(why).withCause(cause);
                call.cancel(why, cause);
            }
            hurry();
        }

        @Override
        public synchronized boolean isReady() {
            return call.isReady();
        }

        @Override
        public synchronized Attributes getAttributes() {
            return call.getAttributes();
        }

        /** Repeats the call after a while, if that helps. */
        private synchronized boolean again(Status status, Metadata trailers) {
            SupervisorException told = SupervisorException.of(status.asRuntimeException(trailers));
            boolean given = cancelled != null || context.isCancelled();
            if (!told.isAway() || attempts == MOST_ATTEMPTS || given) {
                return false;
            }
            Duration pause = delay(attempts);
            pause = told.retryAfter().compareTo(pause) > 0 ? told.retryAfter() : pause;
            if (deadline != null && deadline.timeRemaining(TimeUnit.MILLISECONDS) <= pause.toMillis()) {
                return false;
            }
            next = () -> repeat(trailers);
            try {
                timer.schedule(this::hurry, pause.toMillis(), TimeUnit.MILLISECONDS);
            } catch (RejectedExecutionException closed) {
                return false;
            }
            context.addListener(left, Runnable::run);
            return true;
        }

        /** Goes on behind a pause, once. */
        private void hurry() {
            Runnable repeat;
            synchronized (this) {
                repeat = next;
                next = null;
            }
            if (repeat != null) {
                context.removeListener(left);
                // A caller who blocks waits for what happens on its executor.
                executor.execute(context.wrap(repeat));
            }
        }

        private void repeat(Metadata trailers) {
            synchronized (this) {
                if (cancelled == null) {
                    attempts++;
                    call = calls.make();
                    call.start(new Answer(), copy(headers));
                    call.request(asked);
                    // A call can fail before its caller has said all: the rest goes to this one.
                    if (message != null) {
                        call.sendMessage(message);
                    }
                    if (halfClosed) {
                        call.halfClose();
                    }
                    return;
                }
            }
            listener.onClose(cancelled, trailers);
        }

        /** gRPC writes into the headers of a call. */
        private static Metadata copy(Metadata headers) {
            Metadata copy = new Metadata();
            copy.merge(headers);
            return copy;
        }

        /** What one call answers. */
        private final class Answer extends Listener<A> {
            private Metadata begin;
            private A whole;

            @Override
            public void onHeaders(Metadata answered) {
                begin = answered;
            }

            @Override
            public void onMessage(A answered) {
                whole = answered;
            }

            @Override
            public void onClose(Status status, Metadata trailers) {
                if (!status.isOk() && again(status, trailers)) {
                    return;
                }
                if (begin != null) {
                    listener.onHeaders(begin);
                }
                if (whole != null) {
                    listener.onMessage(whole);
                }
                listener.onClose(status, trailers);
            }

            @Override
            public void onReady() {
                listener.onReady();
            }
        }
    }
}
