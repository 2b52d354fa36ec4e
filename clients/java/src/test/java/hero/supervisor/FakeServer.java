package hero.supervisor;

import hero.supervisor.v1.AwaitJobRequest;
import hero.supervisor.v1.AwaitJobResponse;
import hero.supervisor.v1.CancelJobRequest;
import hero.supervisor.v1.CancelJobResponse;
import hero.supervisor.v1.GetJobRequest;
import hero.supervisor.v1.GetJobResponse;
import hero.supervisor.v1.ItemError;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.JobError;
import hero.supervisor.v1.JobSpec;
import hero.supervisor.v1.ListJobsRequest;
import hero.supervisor.v1.ListJobsResponse;
import hero.supervisor.v1.LogEntries;
import hero.supervisor.v1.LogEntry;
import hero.supervisor.v1.RunJobRequest;
import hero.supervisor.v1.RunJobResponse;
import hero.supervisor.v1.ScaleActorsRequest;
import hero.supervisor.v1.ScaleActorsResponse;
import hero.supervisor.v1.StreamActorLogsRequest;
import hero.supervisor.v1.StreamActorLogsResponse;
import hero.supervisor.v1.SubmitJobRequest;
import hero.supervisor.v1.SubmitJobResponse;
import hero.supervisor.v1.SubmitJobResult;
import hero.supervisor.v1.SubmitJobsRequest;
import hero.supervisor.v1.SubmitJobsResponse;
import hero.supervisor.v1.SupervisorGrpc;
import hero.supervisor.v1.WaitOutcome;
import hero.supervisor.v1.WatchJobRequest;
import hero.supervisor.v1.WatchJobResponse;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A server for tests. A script {@code throw} fails, {@code wait} runs until it is cancelled, and every other one gives itself as its
 * result. Streams break off once, behind their first line.
 */
final class FakeServer extends SupervisorGrpc.SupervisorImplBase implements AutoCloseable {
    private static final int PAGE = 400;

    private final Map<String, Job> jobs = Collections.synchronizedMap(new LinkedHashMap<>());
    private final Map<String, String> requests = Collections.synchronizedMap(new LinkedHashMap<>());
    private final EventLoopGroup loop;
    private final Server server;
    private final String address;

    private FakeServer(Path socket) throws IOException {
        if (socket == null) {
            loop = null;
            InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
            server = NettyServerBuilder.forAddress(any).addService(this).build().start();
            address = "127.0.0.1:" + server.getPort();
        } else {
            loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
            server =
                    NettyServerBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                            .channelType(NioServerDomainSocketChannel.class)
                            .bossEventLoopGroup(loop)
                            .workerEventLoopGroup(loop)
                            .withChildOption(ChannelOption.SO_KEEPALIVE, null)
                            .addService(this)
                            .build()
                            .start();
            address = "unix:" + socket;
        }
    }

    static FakeServer start() throws IOException {
        return new FakeServer(null);
    }

    static FakeServer at(Path socket) throws IOException {
        return new FakeServer(socket);
    }

    /** As clients take it. */
    String address() {
        return address;
    }

    int jobs() {
        return jobs.size();
    }

    @Override
    public void close() {
        server.shutdownNow();
        if (loop != null) {
            loop.shutdownGracefully();
        }
    }

    private synchronized Job accept(JobSpec spec, String jobId, String requestId) {
        String id = requests.computeIfAbsent(requestId, any -> jobId.isEmpty() ? "job-" + jobs.size() : jobId);
        return jobs.computeIfAbsent(id, any -> make(spec, id));
    }

    private static Job make(JobSpec spec, String id) {
        Job.Builder job = Job.newBuilder().setJobId(id).setSpec(spec);
        return switch (spec.getScript()) {
            case "wait" -> job.setState(Job.State.STATE_RUNNING).build();
            case "throw" ->
                    job.setState(Job.State.STATE_FAILED)
                            .setError(
                                    JobError.newBuilder()
                                            .setKind(JobError.Kind.KIND_SCRIPT_ERROR)
                                            .setMessage("boom")
                                            .setLine(2)
                                            .setColumn(1))
                            .build();
            default -> job.setState(Job.State.STATE_SUCCEEDED).setResult(spec.getScript()).build();
        };
    }

    private static WaitOutcome outcome(Job job) {
        return job.getState() == Job.State.STATE_RUNNING
                ? WaitOutcome.WAIT_OUTCOME_TIMED_OUT
                : WaitOutcome.WAIT_OUTCOME_DONE;
    }

    private static <T> void answer(StreamObserver<T> answers, T answer) {
        answers.onNext(answer);
        answers.onCompleted();
    }

    @Override
    public void submitJob(SubmitJobRequest request, StreamObserver<SubmitJobResponse> answers) {
        Job job = accept(request.getJob(), request.getJobId(), request.getRequestId());
        answer(answers, SubmitJobResponse.newBuilder().setJob(job).build());
    }

    @Override
    public void submitJobs(SubmitJobsRequest request, StreamObserver<SubmitJobsResponse> answers) {
        if (request.getRequestsList().stream().anyMatch(one -> one.getJob().getScript().equals("break"))) {
            answers.onError(Status.FAILED_PRECONDITION.withDescription("it is broken").asRuntimeException());
            return;
        }
        SubmitJobsResponse.Builder results = SubmitJobsResponse.newBuilder();
        for (SubmitJobRequest one : request.getRequestsList()) {
            SubmitJobResult.Builder result = results.addResultsBuilder();
            if (one.getJob().getScript().isEmpty()) {
                result.setError(ItemError.newBuilder().setCode(3).setReason("INVALID_FIELD").setMessage("no script"));
            } else {
                result.setJob(accept(one.getJob(), one.getJobId(), one.getRequestId()));
            }
        }
        answer(answers, results.build());
    }

    @Override
    public void runJob(RunJobRequest request, StreamObserver<RunJobResponse> answers) {
        Job job = accept(request.getJob(), request.getJobId(), request.getRequestId());
        answer(answers, RunJobResponse.newBuilder().setJob(job).setWaitOutcome(outcome(job)).build());
    }

    @Override
    public void awaitJob(AwaitJobRequest request, StreamObserver<AwaitJobResponse> answers) {
        Job job = jobs.get(request.getJobId());
        answer(answers, AwaitJobResponse.newBuilder().setJob(job).setWaitOutcome(outcome(job)).build());
    }

    @Override
    public void getJob(GetJobRequest request, StreamObserver<GetJobResponse> answers) {
        Job job = jobs.get(request.getJobId());
        if (job == null) {
            answers.onError(Status.NOT_FOUND.withDescription("no such job").asRuntimeException());
        } else {
            answer(answers, GetJobResponse.newBuilder().setJob(job).build());
        }
    }

    @Override
    public void cancelJob(CancelJobRequest request, StreamObserver<CancelJobResponse> answers) {
        Job job =
                jobs.computeIfPresent(
                        request.getJobId(),
                        (id, old) ->
                                old.toBuilder()
                                        .setState(Job.State.STATE_CANCELLED)
                                        .setCancelReason(request.getReason())
                                        .build());
        answer(answers, CancelJobResponse.newBuilder().setJob(job).build());
    }

    @Override
    public void listJobs(ListJobsRequest request, StreamObserver<ListJobsResponse> answers) {
        List<Job> all = new ArrayList<>(jobs.values());
        int from = request.getPageToken().isEmpty() ? 0 : Integer.parseInt(request.getPageToken());
        int to = Math.min(from + PAGE, all.size());
        answer(
                answers,
                ListJobsResponse.newBuilder()
                        .addAllJobs(all.subList(from, to))
                        .setNextPageToken(to < all.size() ? Integer.toString(to) : "")
                        .build());
    }

    @Override
    public void scaleActors(ScaleActorsRequest request, StreamObserver<ScaleActorsResponse> answers) {
        ScaleActorsResponse.Builder added = ScaleActorsResponse.newBuilder();
        for (int number = 0; number < request.getReplicas(); number++) {
            added.addAddedActorIds("osis_actor_" + number);
        }
        answer(answers, added.build());
    }

    @Override
    public void watchJob(WatchJobRequest request, StreamObserver<WatchJobResponse> answers) {
        Job job = jobs.get(request.getJobId());
        String after = request.getResumeAfter();
        if (after.isEmpty()) {
            Job running = job.toBuilder().setState(Job.State.STATE_RUNNING).build();
            answers.onNext(WatchJobResponse.newBuilder().setCursor("1").setJob(running).build());
            answers.onNext(WatchJobResponse.newBuilder().setCursor("2").setLogEntries(lines("one")).build());
            answers.onError(Status.UNAVAILABLE.withDescription("the line is cut").asRuntimeException());
            return;
        }
        answers.onNext(WatchJobResponse.newBuilder().setCursor("3").setLogEntries(lines("two behind " + after)).build());
        answer(answers, WatchJobResponse.newBuilder().setCursor("4").setJob(job).build());
    }

    @Override
    public void streamActorLogs(StreamActorLogsRequest request, StreamObserver<StreamActorLogsResponse> answers) {
        String after = request.getResumeAfter();
        if (after.isEmpty()) {
            answers.onNext(
                    StreamActorLogsResponse.newBuilder().setCursor("1").addAllEntries(lines("first").getEntriesList()).build());
            answers.onError(Status.UNAVAILABLE.withDescription("the line is cut").asRuntimeException());
            return;
        }
        answer(
                answers,
                StreamActorLogsResponse.newBuilder()
                        .setCursor("2")
                        .addAllEntries(lines("behind " + after).getEntriesList())
                        .build());
    }

    private static LogEntries lines(String text) {
        return LogEntries.newBuilder().addEntries(LogEntry.newBuilder().setText(text)).build();
    }
}
