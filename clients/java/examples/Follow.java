import hero.supervisor.LogLines;
import hero.supervisor.SupervisorClient;
import hero.supervisor.v1.ScriptType;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Follows the lines of a job, and cancels it when it takes too long. */
final class Follow {
    private Follow() {}

    public static void main(String[] arguments) {
        String script = arguments.length > 0 ? arguments[0] : "println(\"one\"); sleep(1); println(\"two\"); 3";
        try (SupervisorClient client = SupervisorClient.connect()) {
            var handle = client.submit(ScriptType.SCRIPT_TYPE_OSIS, script, Duration.ofSeconds(10));
            var tooLong = CompletableFuture.delayedExecutor(30, TimeUnit.SECONDS);
            var cancel = CompletableFuture.runAsync(() -> handle.cancel("it took too long"), tooLong);
            try (LogLines lines = handle.logs()) {
                for (var line : lines) {
                    System.out.println(line.getText());
                }
            }
            cancel.cancel(false);
            System.out.println(handle.jobId() + ": " + handle.await(Duration.ofMinutes(1)).getState());
        }
    }
}
