package hero.supervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Runs the programs of the folder examples; the server of tests answers with the script itself. */
class ExamplesTest {
    @Test
    void theExamplesDoWhatTheySay() throws Exception {
        try (FakeServer server = FakeServer.start()) {
            assertEquals("job job-0\n40 + 2\n", output(server, "Run"));
            String batch = output(server, "Batch");
            assertTrue(batch.startsWith("0 * 0\n1 * 1\n"), batch);
            assertTrue(batch.contains("19 * 19\n20 jobs of batch-"), batch);
            assertEquals("one\ntwo behind 2\njob-21: STATE_SUCCEEDED\n", output(server, "Follow"));
        }
    }

    private static String output(FakeServer server, String example) throws Exception {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String classes = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        ProcessBuilder builder = new ProcessBuilder(java, "-cp", classes, example);
        builder.environment().put(Address.SERVER_VARIABLE, server.address());
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(process.waitFor(60, TimeUnit.SECONDS), example);
        assertEquals(0, process.exitValue(), example);
        return output.replace(System.lineSeparator(), "\n");
    }
}
