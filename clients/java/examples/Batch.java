import hero.supervisor.SubmitResult;
import hero.supervisor.SupervisorClient;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.JobSpec;
import hero.supervisor.v1.ListJobsRequest;
import hero.supervisor.v1.ScriptType;
import hero.supervisor.v1.SubmitJobRequest;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;

/** Submits many jobs at once, awaits them all and lists them. */
final class Batch {
    private Batch() {}

    public static void main(String[] arguments) {
        String caller = "batch-" + ProcessHandle.current().pid();
        List<SubmitJobRequest> requests =
                IntStream.range(0, 20).mapToObj(number -> request(caller, number + " * " + number)).toList();
        try (SupervisorClient client = SupervisorClient.connect()) {
            for (SubmitResult submitted : client.submitMany(requests, Duration.ofSeconds(10))) {
                System.out.println(submitted.orThrow().result(Duration.ofMinutes(1)));
            }
            int listed = 0;
            for (Job job : client.listJobs(ListJobsRequest.newBuilder().setCallerId(caller).setPageSize(8).build())) {
                listed += job.getSpec().getCallerId().equals(caller) ? 1 : 0;
            }
            System.out.println(listed + " jobs of " + caller);
        }
    }

    private static SubmitJobRequest request(String caller, String script) {
        JobSpec.Builder job =
                JobSpec.newBuilder().setScriptType(ScriptType.SCRIPT_TYPE_OSIS).setScript(script).setCallerId(caller);
        return SubmitJobRequest.newBuilder().setJob(job).build();
    }
}
