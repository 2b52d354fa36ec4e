package hero.supervisor;

import hero.supervisor.v1.AwaitJobRequest;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.JobSpec;
import hero.supervisor.v1.RunJobRequest;
import hero.supervisor.v1.ScriptType;
import hero.supervisor.v1.SupervisorGrpc;
import hero.supervisor.v1.WaitOutcome;
import hero.supervisor.v1.WatchEventsRequest;
import hero.supervisor.v1.WatchEventsResponse;
import hero.supervisor.v1.WatchHealthRequest;
import hero.supervisor.v1.WatchHealthResponse;
import io.grpc.ConnectivityState;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Talks to one supervisor; safe for use by many threads. {@link #blocking()}, {@link #future()} and {@link #async()} have every
 * call of the API, the methods here add what outlives a lost connection.
 */
public final class SupervisorClient implements AutoCloseable {
    /** Version of this client; that of the server it was made with. */
    public static final String VERSION = "0.1.0";

    /** The server answers pings that are no faster than this. */
    private static final Duration KEEPALIVE_TIME = Duration.ofSeconds(60);

    private static final Duration KEEPALIVE_TIMEOUT = Duration.ofSeconds(20);
    /** Before a broken connection is made again, at first and at most. */
    private static final Duration RECONNECT = Duration.ofMillis(200);

    private static final Duration LONGEST_RECONNECT = Duration.ofSeconds(5);
    /** Longest wait of one call; then the next one is made. */
    private static final Duration POLL = Duration.ofSeconds(60);
    /** What a call may take beyond its wait before it counts as lost. */
    private static final Duration CALL_MARGIN = Duration.ofSeconds(10);
    /** Last answers when the client is closed. */
    private static final Duration CLOSING = Duration.ofSeconds(2);

    private final ManagedChannel channel;
    private final ScheduledExecutorService timer;
    private final ExecutorService workers;
    /** How often the state of the channel has changed. */
    private final AtomicInteger changes = new AtomicInteger();

    private SupervisorClient(ManagedChannel channel) {
        this.channel = channel;
        ThreadFactory daemons =
                task -> {
                    Thread thread = new Thread(task, "hero-supervisor-client");
                    thread.setDaemon(true);
                    return thread;
                };
        ScheduledThreadPoolExecutor one = new ScheduledThreadPoolExecutor(1, daemons);
        one.setRemoveOnCancelPolicy(true);
        this.timer = one;
        this.workers = Executors.newCachedThreadPool(daemons);
    }

    /**
     * Prepares a client; the connection is made with the first call, and made again whenever it is lost.
     *
     * @param target what gRPC takes: {@code 127.0.0.1:50051}, {@code dns:///supervisor:50051}. The connection is not
     *     encrypted, since the server listens on this machine only unless told otherwise; see {@link #connect(ManagedChannel)}.
     */
    public static SupervisorClient connect(String target) {
        SupervisorClient client =
                connect(
                        NettyChannelBuilder.forTarget(target)
                                .usePlaintext()
                                .userAgent("hero-supervisor-java/" + VERSION)
                                .keepAliveTime(KEEPALIVE_TIME.toMillis(), TimeUnit.MILLISECONDS)
                                .keepAliveTimeout(KEEPALIVE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)
                                .defaultServiceConfig(serviceConfig())
                                .enableRetry()
                                .build());
        client.reconnectSoon();
        return client;
    }

    /**
     * gRPC for Java waits a second and more before it connects again, which is longer than all tries of a read take. So
     * a broken connection is made anew as soon as the tries are repeated, later and later while it breaks again.
     */
    private void reconnectSoon() {
        int change = changes.incrementAndGet();
        ConnectivityState state = channel.getState(false);
        if (state == ConnectivityState.TRANSIENT_FAILURE) {
            resetAfter(RECONNECT, change);
        }
        if (state != ConnectivityState.SHUTDOWN) {
            channel.notifyWhenStateChanged(state, this::reconnectSoon);
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
                        resetAfter(longer.compareTo(LONGEST_RECONNECT) < 0 ? longer : LONGEST_RECONNECT, change);
                    }
                };
        try {
            timer.schedule(reset, delay.toMillis(), TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException closed) {
            // The client was closed meanwhile: there is nothing to connect any more.
        }
    }

    /** A client on a channel of your own making, for instance one with TLS. It is closed with the client. */
    public static SupervisorClient connect(ManagedChannel channel) {
        return new SupervisorClient(channel);
    }

    /**
     * Reads may be repeated without harm, so gRPC does it by itself when the server is away. Calls that change something
     * are repeated by {@link #run}, which gives them a request id, and by nobody else.
     */
    private static Map<String, ?> serviceConfig() {
        List<Map<String, String>> reads =
                List.of(
                                "GetServerInfo",
                                "GetActor",
                                "ListActors",
                                "GetScriptType",
                                "ListScriptTypes",
                                "AwaitJob",
                                "GetJob",
                                "ListJobs",
                                "ListEvents")
                        .stream()
                        .map(method -> Map.of("service", SupervisorGrpc.SERVICE_NAME, "method", method))
                        .toList();
        Map<String, ?> retryPolicy =
                Map.of(
                        // One more than other clients have, and pauses that grow less: gRPC for Java chooses the connection
                        // of a try before the pause in front of it, so the first repeat finds what the first try found.
                        "maxAttempts", 5.0,
                        "initialBackoff", "0.3s",
                        "maxBackoff", "2s",
                        "backoffMultiplier", 1.5,
                        "retryableStatusCodes", List.of("UNAVAILABLE"));
        return Map.of("methodConfig", List.of(Map.of("name", reads, "retryPolicy", retryPolicy)));
    }

    /** Every call, answered where it is made. Set deadlines with {@code withDeadlineAfter}. */
    public SupervisorGrpc.SupervisorBlockingStub blocking() {
        return SupervisorGrpc.newBlockingStub(channel);
    }

    /** Every unary call, answered by a future. */
    public SupervisorGrpc.SupervisorFutureStub future() {
        return SupervisorGrpc.newFutureStub(channel);
    }

    /** Every call, answered by an observer. */
    public SupervisorGrpc.SupervisorStub async() {
        return SupervisorGrpc.newStub(channel);
    }

    /** What the client talks over, for other services on it such as grpc.health.v1. */
    public ManagedChannel channel() {
        return channel;
    }

    /**
     * Runs a script and waits for its end, however often the connection is lost or the server restarted in between; the job
     * is made once.
     *
     * @param timeout how long to wait; the job goes on if it is over first
     * @return the job, which has ended; that is not to say that it succeeded, see {@link #result}
     * @throws SupervisorException DEADLINE_EXCEEDED when the time is over first, with the job's id in {@code
     *     metadata().get("job_id")} if it was made: {@link #await} it, or cancel it. CANCELLED likewise when the current gRPC
     *     Context is cancelled or the thread interrupted. Otherwise what the server refused.
     */
    public Job run(ScriptType scriptType, String script, Duration timeout) {
        return run(scriptType, script, timeout, request -> {});
    }

    /**
     * The same; {@code more} says what else the job has: {@code request -> request.getJobBuilder().setCallerId("alice")}. With a
     * request id of your own, whoever calls again with the same id and content within 24 hours, even from another process,
     * gets the same job.
     *
     * <p>{@code max_wait} and {@code on_wait_end} are not for {@code more} to say: the wait is made of many calls, and the end
     * of one of them is not that of the job. Cancel the job yourself when this throws DEADLINE_EXCEEDED.
     */
    public Job run(ScriptType scriptType, String script, Duration timeout, Consumer<RunJobRequest.Builder> more) {
        RunJobRequest.Builder request =
                RunJobRequest.newBuilder()
                        .setJob(JobSpec.newBuilder().setScriptType(scriptType).setScript(script))
                        .setRequestId(UUID.randomUUID().toString());
        more.accept(request);
        request.clearOnWaitEnd();
        return within(timeout, () -> run(request));
    }

    /** Waits for the end of a job as {@link #run} does. */
    public Job await(String jobId, Duration timeout) {
        return within(timeout, () -> await(jobId, ""));
    }

    /** {@link #run} on a thread of the client's own; cancelling the future does not cancel the job. */
    public CompletableFuture<Job> runAsync(ScriptType scriptType, String script, Duration timeout) {
        return CompletableFuture.supplyAsync(() -> run(scriptType, script, timeout), Context.currentContextExecutor(workers));
    }

    /** {@link #await} on a thread of the client's own. */
    public CompletableFuture<Job> awaitAsync(String jobId, Duration timeout) {
        return CompletableFuture.supplyAsync(() -> await(jobId, timeout), Context.currentContextExecutor(workers));
    }

    /**
     * The result of a job that has ended well.
     *
     * @throws JobFailedException for every other one
     */
    public static String result(Job job) {
        if (job.getState() != Job.State.STATE_SUCCEEDED) {
            throw new JobFailedException(job);
        }
        return job.getResult();
    }

    /** Follows what happens, to actors, jobs, queues and the server. Close the watch when you leave it. */
    public Watch<WatchEventsResponse> watchEvents(WatchEventsRequest request) {
        Watch.Place begin =
                new Watch.Place(
                        request.getResumeAfter(), request.hasIncludeSnapshot() ? request.getIncludeSnapshot() : null);
        return new Watch<>(
                timer,
                Protos.duration(request.getHeartbeatInterval()),
                begin,
                place -> {
                    WatchEventsRequest.Builder asked = request.toBuilder().setResumeAfter(place.cursor()).clearIncludeSnapshot();
                    if (place.snapshot() != null) {
                        asked.setIncludeSnapshot(place.snapshot());
                    }
                    return blocking().watchEvents(asked.build());
                },
                message -> new Watch.Parts(message.getCursor(), message.getBookmark().getKind()));
    }

    /** Follows the health of actors. Close the watch when you leave it. */
    public Watch<WatchHealthResponse> watchHealth(WatchHealthRequest request) {
        Watch.Place begin =
                new Watch.Place(
                        request.getResumeAfter(), request.hasIncludeSnapshot() ? request.getIncludeSnapshot() : null);
        return new Watch<>(
                timer,
                Protos.duration(request.getHeartbeatInterval()),
                begin,
                place -> {
                    WatchHealthRequest.Builder asked = request.toBuilder().setResumeAfter(place.cursor()).clearIncludeSnapshot();
                    if (place.snapshot() != null) {
                        asked.setIncludeSnapshot(place.snapshot());
                    }
                    return blocking().watchHealth(asked.build());
                },
                message -> new Watch.Parts(message.getCursor(), message.getBookmark().getKind()));
    }

    /** Ends the connection. Jobs go on. */
    @Override
    public void close() {
        channel.shutdown();
        timer.shutdownNow();
        workers.shutdown();
        try {
            if (!channel.awaitTermination(CLOSING.toMillis(), TimeUnit.MILLISECONDS)) {
                channel.shutdownNow();
            }
        } catch (InterruptedException interrupted) {
            channel.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }

    private Job run(RunJobRequest.Builder request) {
        String jobId = "";
        Delays delays = new Delays();
        Context context = Context.current();
        while (!context.isCancelled()) {
            SupervisorException told;
            try {
                Duration poll = nextPoll(context);
                var answer = stub(poll).runJob(request.setMaxWait(Protos.duration(poll)).build());
                if (answer.getWaitOutcome() == WaitOutcome.WAIT_OUTCOME_DONE) {
                    return answer.getJob();
                }
                return await(answer.getJob().getJobId(), request.getRequestId());
            } catch (io.grpc.StatusRuntimeException error) {
                told = SupervisorException.of(error);
            }
            if (told.isLost() && told.metadata().containsKey("job_id")) {
                jobId = told.metadata().get("job_id");
            }
            pauseAfter(told, context, delays, jobId, request.getRequestId());
        }
        throw over(context, jobId, request.getRequestId());
    }

    private Job await(String jobId, String requestId) {
        Delays delays = new Delays();
        Context context = Context.current();
        while (!context.isCancelled()) {
            SupervisorException told;
            try {
                Duration poll = nextPoll(context);
                AwaitJobRequest request =
                        AwaitJobRequest.newBuilder().setJobId(jobId).setMaxWait(Protos.duration(poll)).build();
                var answer = stub(poll).awaitJob(request);
                if (answer.getWaitOutcome() == WaitOutcome.WAIT_OUTCOME_DONE) {
                    return answer.getJob();
                }
                delays.reset();
                continue;
            } catch (io.grpc.StatusRuntimeException error) {
                told = SupervisorException.of(error);
            }
            pauseAfter(told, context, delays, jobId, requestId);
        }
        throw over(context, jobId, requestId);
    }

    private SupervisorGrpc.SupervisorBlockingStub stub(Duration poll) {
        return blocking().withDeadlineAfter(poll.plus(CALL_MARGIN).toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Throws what a repeat does not cure, unless the wait is over anyhow, and waits otherwise. */
    private static void pauseAfter(
            SupervisorException told, Context context, Delays delays, String jobId, String requestId) {
        if (context.isCancelled()) {
            return;
        }
        if (!told.isLost()) {
            throw told;
        }
        try {
            delays.pause(context, told.retryAfter());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw over(context, jobId, requestId);
        }
    }

    private <T> T within(Duration timeout, Supplier<T> work) {
        Deadline deadline = Deadline.after(timeout.toNanos(), TimeUnit.NANOSECONDS);
        try (Context.CancellableContext context = Context.current().withDeadline(deadline, timer)) {
            return context.call(work::get);
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static Duration nextPoll(Context context) {
        Deadline deadline = context.getDeadline();
        if (deadline == null) {
            return POLL;
        }
        Duration left = Duration.ofNanos(Math.max(deadline.timeRemaining(TimeUnit.NANOSECONDS), 0));
        return left.compareTo(POLL) < 0 ? left : POLL;
    }

    private static SupervisorException over(Context context, String jobId, String requestId) {
        Map<String, String> metadata = new LinkedHashMap<>();
        if (!jobId.isEmpty()) {
            metadata.put("job_id", jobId);
        }
        if (!requestId.isEmpty()) {
            metadata.put("request_id", requestId);
        }
        boolean late = context.getDeadline() != null && context.getDeadline().isExpired();
        Status.Code code = late ? Status.Code.DEADLINE_EXCEEDED : Status.Code.CANCELLED;
        String message =
                late
                        ? "the wait is over before the job; it goes on, await it by its id"
                        : "the wait was given up; the job goes on, await it by its id";
        return new SupervisorException(code, "WAIT_OVER", message, metadata, context.cancellationCause());
    }
}
