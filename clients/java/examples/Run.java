import hero.supervisor.JobFailedException;
import hero.supervisor.SupervisorClient;
import hero.supervisor.v1.ScriptType;
import java.time.Duration;

/** Runs one script and prints its result. */
final class Run {
    private Run() {}

    public static void main(String[] arguments) {
        try (SupervisorClient client = SupervisorClient.connect()) {
            var handle = client.submit(ScriptType.SCRIPT_TYPE_OSIS, "40 + 2", Duration.ofSeconds(10));
            System.out.println("job " + handle.jobId());
            System.out.println(handle.result(Duration.ofMinutes(1)));
        } catch (JobFailedException failed) {
            System.err.println(failed.getMessage());
            System.exit(1);
        }
    }
}
