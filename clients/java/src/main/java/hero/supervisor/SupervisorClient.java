package hero.supervisor;

import hero.supervisor.v1.Actor;
import hero.supervisor.v1.AwaitJobRequest;
import hero.supervisor.v1.CancelJobRequest;
import hero.supervisor.v1.Event;
import hero.supervisor.v1.GetJobRequest;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.JobSpec;
import hero.supervisor.v1.JobView;
import hero.supervisor.v1.ListActorsRequest;
import hero.supervisor.v1.ListEventsRequest;
import hero.supervisor.v1.ListJobsRequest;
import hero.supervisor.v1.RunJobRequest;
import hero.supervisor.v1.RunJobResponse;
import hero.supervisor.v1.ScaleActorsRequest;
import hero.supervisor.v1.ScaleActorsResponse;
import hero.supervisor.v1.ScriptType;
import hero.supervisor.v1.StreamActorLogsRequest;
import hero.supervisor.v1.StreamActorLogsResponse;
import hero.supervisor.v1.SubmitJobRequest;
import hero.supervisor.v1.SubmitJobsRequest;
import hero.supervisor.v1.SupervisorGrpc;
import hero.supervisor.v1.WaitOutcome;
import hero.supervisor.v1.WatchEventsRequest;
import hero.supervisor.v1.WatchEventsResponse;
import hero.supervisor.v1.WatchHealthRequest;
import hero.supervisor.v1.WatchHealthResponse;
import hero.supervisor.v1.WatchJobResponse;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Talks to one supervisor; safe for use by many threads. {@link #blocking()}, {@link #future()} and {@link #async()} have every
 * call of the API, the methods here add what outlives a lost connection.
 */
public final class SupervisorClient implements AutoCloseable {
    /** Version of this client; that of the server it was made with. */
    public static final String VERSION = "0.1.0";

    /** Longest time of one call that waits for nothing. */
    private static final Duration CALL_LIMIT = Duration.ofSeconds(30);
    /** Last answers when the client is closed. */
    private static final Duration CLOSING = Duration.ofSeconds(2);

    private final Channels.Made made;
    private final Channel calls;
    private final String address;
    private final ConnectOptions options;
    private final ScheduledExecutorService timer;
    private final ExecutorService workers;

    private SupervisorClient(Channels.Made made, String address, ConnectOptions options, Token token) {
        this.made = made;
        this.address = address;
        this.options = options;
        ScheduledThreadPoolExecutor one = new ScheduledThreadPoolExecutor(1, SupervisorClient::daemon);
        one.setRemoveOnCancelPolicy(true);
        this.timer = one;
        this.workers = Executors.newCachedThreadPool(SupervisorClient::daemon);
        List<ClientInterceptor> interceptors = new ArrayList<>(List.of(new RepeatReads(timer)));
        if (token != null) {
            interceptors.add(token);
        }
        this.calls = ClientInterceptors.interceptForward(made.channel(), interceptors);
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "hero-supervisor-client");
        thread.setDaemon(true);
        return thread;
    }

    /** Prepares a client for the server in the environment variable {@code HERO_SUPERVISOR_SERVER}, or else 127.0.0.1:50051. */
    public static SupervisorClient connect() {
        return connect(Address.ofEnvironment(System.getenv(Address.SERVER_VARIABLE)));
    }

    /**
     * Prepares a client; the connection is made with the first call, and made again whenever it is lost.
     *
     * @param address {@code host:port}, {@code http://host:port}, {@code https://host:port} or {@code unix:/path}. The connection is
     *     encrypted with {@code https}, and with {@code host:port} when the options or the environment give CAs or a certificate, or
     *     a token for another machine.
     * @throws IllegalArgumentException when the address is none of these, a file cannot be read, or a token would be sent in the clear
     *     to another machine
     */
    public static SupervisorClient connect(String address) {
        return connect(address, ConnectOptions.defaults());
    }

    /** The same with options of your own. */
    public static SupervisorClient connect(String address, ConnectOptions options) {
        Address server = Address.parse(address);
        Access access = options.access().orEnvironment(System::getenv);
        Token token = access.shownTo(server);
        Channels.Made made = Channels.to(server, access.credentials(server), SupervisorClient::daemon);
        SupervisorClient client = new SupervisorClient(made, address, options, token);
        Reconnect.soon(made.channel(), client.timer);
        return client;
    }

    /** A client on a channel of your own making, with credentials of its own. It is closed with the client. */
    public static SupervisorClient connect(ManagedChannel channel) {
        return connect(channel, ConnectOptions.defaults());
    }

    /** The same with options of your own. */
    public static SupervisorClient connect(ManagedChannel channel, ConnectOptions options) {
        if (!options.access().equals(Access.NONE)) {
            throw new IllegalArgumentException("a channel of your own has its own certificates and tokens: leave them out of the options");
        }
        return new SupervisorClient(new Channels.Made(channel, null), channel.authority(), options, null);
    }

    /** Every call, answered where it is made. Set deadlines with {@code withDeadlineAfter}. */
    public SupervisorGrpc.SupervisorBlockingStub blocking() {
        return SupervisorGrpc.newBlockingStub(calls);
    }

    /** Every unary call, answered by a future. */
    public SupervisorGrpc.SupervisorFutureStub future() {
        return SupervisorGrpc.newFutureStub(calls);
    }

    /** Every call, answered by an observer. */
    public SupervisorGrpc.SupervisorStub async() {
        return SupervisorGrpc.newStub(calls);
    }

    /** What the client talks over, for other services on it such as grpc.health.v1. */
    public Channel channel() {
        return calls;
    }

    /** The channel below, which knows how it stands. */
    ManagedChannel connection() {
        return made.channel();
    }

    /**
     * Runs a script and waits for its end, however often the connection is lost or the server restarted in between; the job
     * is made once.
     *
     * @param timeout how long to wait; the job goes on if it is over first
     * @return the job, which has ended; that is not to say that it succeeded, see {@link #result}
     * @throws SupervisorException DEADLINE_EXCEEDED when the time is over first. With the reason {@code WAIT_OVER} the job goes on: its
     *     id is in {@code metadata().get("job_id")}; {@link #await} it, or cancel it. With {@code NO_SERVER} nothing is known of a job,
     *     and the cause is the last failure. CANCELLED likewise when the current gRPC Context is cancelled or the thread
     *     interrupted. Otherwise what the server refused.
     */
    public Job run(ScriptType scriptType, String script, Duration timeout) {
        return run(scriptType, script, timeout, request -> {});
    }

    /**
     * The same; {@code more} says what else the job has: {@code request -> request.getJobBuilder().setCallerId("alice")}, or the name
     * of its queue, {@code request -> request.getJobBuilder().setQueue("python-gpu")}. With a
     * request id of your own, whoever calls again with the same id and content within 24 hours, even from another process,
     * gets the same job.
     *
     * <p>With {@code request.setOnWaitEnd(OnWaitEnd.ON_WAIT_END_CANCEL)} the job does not go on when the wait ends before it, by the
     * time-out, a cancelled Context or an interrupted thread, unless it was there before by its unique key. That may take up to 3 seconds longer. Without an answer within this
     * time the job may go on; the error says so. {@code max_wait} is not for {@code more} to say.
     */
    public Job run(ScriptType scriptType, String script, Duration timeout, Consumer<RunJobRequest.Builder> more) {
        RunJobRequest.Builder request =
                RunJobRequest.newBuilder()
                        .setJob(JobSpec.newBuilder().setScriptType(scriptType).setScript(script))
                        .setRequestId(UUID.randomUUID().toString());
        more.accept(request);
        boolean cancel = request.getOnWaitEnd() == RunJobRequest.OnWaitEnd.ON_WAIT_END_CANCEL;
        // The wait is made of many calls, and the end of one of them is not that of the wait.
        request.clearOnWaitEnd();
        return Wait.within(
                timer,
                timeout,
                () -> {
                    Wait wait = new Wait(outage(), request.getRequestId(), "");
                    try {
                        return runToEnd(request, wait);
                    } catch (SupervisorException error) {
                        if (cancel && !wait.isExisting() && wait.isOver(error)) {
                            return new Unawaited(this, timer, outage()).cancel(error, wait.knownJobId(), request);
                        }
                        throw error;
                    }
                });
    }

    private Job runToEnd(RunJobRequest.Builder request, Wait wait) {
        RunJobResponse answer = wait.until(poll -> begin(request, poll));
        if (answer.getWaitOutcome() == WaitOutcome.WAIT_OUTCOME_DONE) {
            return answer.getJob();
        }
        String jobId = answer.getJob().getJobId();
        wait.known(jobId, answer.getExisting());
        return wait.until(poll -> awaited(jobId, poll));
    }

    /** Waits for the end of a job as {@link #run} does. */
    public Job await(String jobId, Duration timeout) {
        return Wait.within(timer, timeout, () -> new Wait(outage(), "", jobId).until(poll -> awaited(jobId, poll)));
    }

    /**
     * Puts a job into its queue and gives a handle to it. Repeats the call while the server is away, as {@link #run} does; the job is
     * made once.
     *
     * @param timeout how long to wait for a server
     * @throws SupervisorException as {@link #run}
     */
    public JobHandle submit(ScriptType scriptType, String script, Duration timeout) {
        return submit(scriptType, script, timeout, request -> {});
    }

    /**
     * The same; {@code more} says what else the job has: {@code request -> request.getJobBuilder().setCallerId("alice")}, or the name
     * of its queue, {@code request -> request.getJobBuilder().setQueue("python-gpu")}.
     */
    public JobHandle submit(
            ScriptType scriptType, String script, Duration timeout, Consumer<SubmitJobRequest.Builder> more) {
        SubmitJobRequest.Builder request =
                SubmitJobRequest.newBuilder()
                        .setJob(JobSpec.newBuilder().setScriptType(scriptType).setScript(script))
                        .setRequestId(UUID.randomUUID().toString());
        more.accept(request);
        SubmitJobRequest built = request.build();
        return Wait.within(
                timer,
                timeout,
                () ->
                        new Wait(outage(), built.getRequestId(), "")
                                .until(poll -> job(stub(poll).submitJob(built).getJob().getJobId())));
    }

    /**
     * Puts many jobs into their queues, in as many calls as they need, and gives what became of each, in their order. Good ones are
     * accepted whatever the others are. Calls are repeated while the server is away; each job is made once, since a request
     * without an id of its own gets a random one. It throws when the first call fails; when a later one does, the jobs of that call
     * have its error, with their {@code request_id}.
     *
     * @param timeout how long to wait for a server
     */
    public List<SubmitResult> submitMany(List<SubmitJobRequest> requests, Duration timeout) {
        return Wait.within(
                timer,
                timeout,
                () -> Batches.submit(this, requests, batch -> new Wait(outage(), "", "").until(poll -> stub(poll).submitJobs(batch))));
    }

    /** A handle to a job that is there already. Asks the server nothing. */
    public JobHandle job(String jobId) {
        return new JobHandle(this, jobId);
    }

    /** Reads a job as it is now, with its script and environment. */
    public Job getJob(String jobId) {
        GetJobRequest request = GetJobRequest.newBuilder().setJobId(jobId).setView(JobView.JOB_VIEW_FULL).build();
        return SupervisorException.told(() -> limited(CALL_LIMIT).getJob(request).getJob());
    }

    /** Cancels a job, waiting or running; one that has ended stays as it is. Returns the job. */
    public Job cancel(String jobId, String reason) {
        CancelJobRequest request = CancelJobRequest.newBuilder().setJobId(jobId).setReason(reason).build();
        return SupervisorException.told(() -> limited(CALL_LIMIT).cancelJob(request).getJob());
    }

    /** Reads the jobs that match, newest first, page by page: those of default queues, or of the queues that the filter names. */
    public Iterable<Job> listJobs(ListJobsRequest filter) {
        return Pages.jobs(() -> limited(CALL_LIMIT), filter);
    }

    /** Reads the actors that match, page by page. */
    public Iterable<Actor> listActors(ListActorsRequest filter) {
        return Pages.actors(() -> limited(CALL_LIMIT), filter);
    }

    /** Reads the events that match, page by page. */
    public Iterable<Event> listEvents(ListEventsRequest filter) {
        return Pages.events(() -> limited(CALL_LIMIT), filter);
    }

    /**
     * Sets how many actors of a type there are, and waits until they run, or until the time is over: see {@code getWaitOutcome} of the
     * answer.
     */
    public ScaleActorsResponse scale(ScriptType scriptType, int replicas, Duration timeout) {
        ScaleActorsRequest request =
                ScaleActorsRequest.newBuilder()
                        .setScriptType(scriptType)
                        .setReplicas(replicas)
                        .setMaxWait(Protos.duration(timeout))
                        .build();
        return SupervisorException.told(() -> stub(timeout).scaleActors(request));
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
        return new Watch<>(timer, outage(), Courses.events(this::blocking, request));
    }

    /** Follows the health of actors. Close the watch when you leave it. */
    public Watch<WatchHealthResponse> watchHealth(WatchHealthRequest request) {
        return new Watch<>(timer, outage(), Courses.health(this::blocking, request));
    }

    /**
     * Reads the lines that an actor has written, 100 of them unless the request says otherwise. With {@code follow}, it goes on with
     * new ones, through lost connections. Close the lines when you leave them.
     */
    public LogLines actorLogs(StreamActorLogsRequest request) {
        return new LogLines(
                new Watch<>(timer, outage(), Courses.logs(this::blocking, request)),
                StreamActorLogsResponse::getEntriesList);
    }

    Watch<WatchJobResponse> watchJob(String jobId) {
        return new Watch<>(timer, outage(), Courses.job(this::blocking, jobId));
    }

    /** Ends the connection. Jobs go on. */
    @Override
    public void close() {
        ManagedChannel channel = made.channel();
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
        made.release();
    }

    private RunJobResponse begin(RunJobRequest.Builder request, Duration poll) {
        return stub(poll).runJob(request.setMaxWait(Protos.duration(poll)).build());
    }

    /** The job at its end, or null before. */
    private Job awaited(String jobId, Duration poll) {
        AwaitJobRequest request =
                AwaitJobRequest.newBuilder().setJobId(jobId).setMaxWait(Protos.duration(poll)).build();
        var answer = stub(poll).awaitJob(request);
        return answer.getWaitOutcome() == WaitOutcome.WAIT_OUTCOME_DONE ? answer.getJob() : null;
    }

    private Outage outage() {
        return new Outage(options, address);
    }

    SupervisorGrpc.SupervisorBlockingStub stub(Duration poll) {
        return limited(poll.plus(Wait.CALL_MARGIN));
    }

    private SupervisorGrpc.SupervisorBlockingStub limited(Duration limit) {
        return blocking().withDeadlineAfter(limit.toMillis(), TimeUnit.MILLISECONDS);
    }
}
