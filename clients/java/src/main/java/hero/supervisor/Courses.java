package hero.supervisor;

import hero.supervisor.v1.Job;
import hero.supervisor.v1.StreamActorLogsRequest;
import hero.supervisor.v1.StreamActorLogsResponse;
import hero.supervisor.v1.SupervisorGrpc.SupervisorBlockingStub;
import hero.supervisor.v1.WatchEventsRequest;
import hero.supervisor.v1.WatchEventsResponse;
import hero.supervisor.v1.WatchHealthRequest;
import hero.supervisor.v1.WatchHealthResponse;
import hero.supervisor.v1.WatchJobRequest;
import hero.supervisor.v1.WatchJobResponse;
import java.time.Duration;
import java.util.function.Supplier;

/** How each stream of the API is read by a {@link Watch}. */
final class Courses {
    /** For streams that may be silent for as long as they like. */
    private static final Duration NO_HEARTBEAT = Duration.ofDays(365);

    private Courses() {}

    static Watch.Course<WatchEventsResponse> events(Supplier<SupervisorBlockingStub> stub, WatchEventsRequest request) {
        return new Watch.Course<>(
                Protos.duration(request.getHeartbeatInterval()),
                new Watch.Place(
                        request.getResumeAfter(), request.hasIncludeSnapshot() ? request.getIncludeSnapshot() : null),
                place -> {
                    var asked = request.toBuilder().setResumeAfter(place.cursor()).clearIncludeSnapshot();
                    if (place.snapshot() != null) {
                        asked.setIncludeSnapshot(place.snapshot());
                    }
                    return stub.get().watchEvents(asked.build());
                },
                message -> new Watch.Parts(message.getCursor(), message.getBookmark().getKind()),
                message -> false);
    }

    static Watch.Course<WatchHealthResponse> health(Supplier<SupervisorBlockingStub> stub, WatchHealthRequest request) {
        return new Watch.Course<>(
                Protos.duration(request.getHeartbeatInterval()),
                new Watch.Place(
                        request.getResumeAfter(), request.hasIncludeSnapshot() ? request.getIncludeSnapshot() : null),
                place -> {
                    var asked = request.toBuilder().setResumeAfter(place.cursor()).clearIncludeSnapshot();
                    if (place.snapshot() != null) {
                        asked.setIncludeSnapshot(place.snapshot());
                    }
                    return stub.get().watchHealth(asked.build());
                },
                message -> new Watch.Parts(message.getCursor(), message.getBookmark().getKind()),
                message -> false);
    }

    static Watch.Course<WatchJobResponse> job(Supplier<SupervisorBlockingStub> stub, String jobId) {
        WatchJobRequest request = WatchJobRequest.newBuilder().setJobId(jobId).setIncludeLogs(true).build();
        return new Watch.Course<>(
                Duration.ZERO,
                new Watch.Place("", false),
                place -> stub.get().watchJob(request.toBuilder().setResumeAfter(place.cursor()).build()),
                message -> new Watch.Parts(message.getCursor(), message.getBookmark().getKind()),
                message -> message != null && isTerminal(message.getJob()));
    }

    static Watch.Course<StreamActorLogsResponse> logs(
            Supplier<SupervisorBlockingStub> stub, StreamActorLogsRequest request) {
        return new Watch.Course<>(
                NO_HEARTBEAT,
                new Watch.Place(request.getResumeAfter(), false),
                place -> stub.get().streamActorLogs(request.toBuilder().setResumeAfter(place.cursor()).build()),
                message -> new Watch.Parts(message.getCursor(), hero.supervisor.v1.Bookmark.Kind.KIND_UNSPECIFIED),
                message -> !request.getFollow());
    }

    /** Whether a job has ended. */
    static boolean isTerminal(Job job) {
        return switch (job.getState()) {
            case STATE_SUCCEEDED, STATE_FAILED, STATE_CANCELLED -> true;
            default -> false;
        };
    }
}
