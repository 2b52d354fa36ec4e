package hero.supervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hero.supervisor.v1.ScriptType;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.text.MessageFormat;
import java.time.Duration;
import java.util.List;
import java.util.ResourceBundle;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

class WaitTest {
    private static final String NOBODY = "127.0.0.1:1";
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final String REFUSED = "Connection refused: /127.0.0.1:1";

    /** Keeps what it is told. */
    private static final class Lines implements System.Logger {
        private final List<String> lines = new CopyOnWriteArrayList<>();

        @Override
        public String getName() {
            return "test";
        }

        @Override
        public boolean isLoggable(Level level) {
            return true;
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
            lines.add(level + " " + message);
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String format, Object... values) {
            lines.add(level + " " + MessageFormat.format(format, values));
        }
    }

    private static SupervisorException refused(Runnable wait) {
        return assertThrows(SupervisorException.class, wait::run);
    }

    @Test
    void withoutAServerNothingIsSaidOfAJobThatGoesOn() {
        Lines lines = new Lines();
        Duration time = Duration.ofSeconds(2);
        try (SupervisorClient client =
                SupervisorClient.connect(NOBODY, ConnectOptions.defaults().withLogger(lines))) {
            List<Runnable> waits =
                    List.of(
                            () -> client.run(ScriptType.SCRIPT_TYPE_OSIS, "1", time),
                            () -> client.submit(ScriptType.SCRIPT_TYPE_OSIS, "1", time));
            for (Runnable wait : waits) {
                SupervisorException error = refused(wait);
                assertEquals(Status.Code.DEADLINE_EXCEEDED, error.code());
                assertEquals("NO_SERVER", error.reason());
                assertEquals(
                        "no server answered at 127.0.0.1:1 within 2 s: " + REFUSED + "; nothing is known of a job",
                        error.getMessage());
                assertTrue(error.metadata().containsKey("request_id"));
                assertInstanceOf(SupervisorException.class, error.getCause());
                assertInstanceOf(StatusRuntimeException.class, error.getCause().getCause());
                Throwable root = error;
                while (root.getCause() != null) {
                    root = root.getCause();
                }
                assertInstanceOf(ConnectException.class, root);
            }
        }
        String line = "WARNING supervisor: no answer at 127.0.0.1:1, trying again (3 failures): " + REFUSED;
        assertEquals(List.of(line, line), lines.lines);
    }

    @Test
    void aWaitThatFailsFastFailsAtOnce() {
        try (SupervisorClient client =
                SupervisorClient.connect(NOBODY, ConnectOptions.defaults().withFailFast(true))) {
            SupervisorException run = refused(() -> client.run(ScriptType.SCRIPT_TYPE_OSIS, "1", LONG));
            assertEquals(Status.Code.UNAVAILABLE, run.code());
            assertEquals("NO_SERVER", run.reason());
            assertEquals("no server answers at 127.0.0.1:1: " + REFUSED + "; nothing is known of a job", run.getMessage());
            SupervisorException await = refused(() -> client.await("j", LONG));
            assertTrue(await.getMessage().endsWith("; nothing is known of job j"), await.getMessage());
        }
    }

    @Test
    void whatIsNoSupervisorIsNoServer() throws Exception {
        try (ServerSocket other = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
            Thread talker =
                    new Thread(
                            () -> {
                                while (!other.isClosed()) {
                                    try (Socket socket = other.accept()) {
                                        socket.getOutputStream()
                                                .write("-ERR unknown command\r\n".getBytes(StandardCharsets.US_ASCII));
                                        socket.getInputStream().transferTo(java.io.OutputStream.nullOutputStream());
                                    } catch (java.io.IOException gone) {
                                        // The next one, or none.
                                    }
                                }
                            });
            talker.setDaemon(true);
            talker.start();
            String address = "127.0.0.1:" + other.getLocalPort();
            try (SupervisorClient client =
                    SupervisorClient.connect(address, ConnectOptions.defaults().withFailFast(true))) {
                SupervisorException run = refused(() -> client.run(ScriptType.SCRIPT_TYPE_OSIS, "1", LONG));
                assertEquals("NO_SERVER", run.reason());
                assertTrue(run.getMessage().contains("First received frame was not SETTINGS"), run.getMessage());
            }
        }
    }

    @Test
    void whoGivesUpIsToldOfTheJobIfThereIsOne() throws Exception {
        try (FakeServer server = FakeServer.start();
                SupervisorClient client = SupervisorClient.connect(server.address());
                SupervisorClient away = SupervisorClient.connect(NOBODY)) {
            SupervisorException late =
                    refused(
                            () ->
                                    client.run(
                                            ScriptType.SCRIPT_TYPE_OSIS,
                                            "wait",
                                            Duration.ofMillis(300),
                                            request -> request.setJobId("j")));
            assertEquals("WAIT_OVER", late.reason());
            assertEquals("j", late.metadata().get("job_id"));

            Context.CancellableContext context = Context.ROOT.withCancellation();
            var cause = new TimeoutException("enough");
            var giveUp = new Thread(() -> context.cancel(cause));
            Runnable run =
                    () -> {
                        giveUp.start();
                        away.run(ScriptType.SCRIPT_TYPE_OSIS, "1", LONG);
                    };
            SupervisorException left = refused(() -> context.run(run));
            assertEquals(Status.Code.CANCELLED, left.code());
            assertTrue(left.getMessage().endsWith("; nothing is known of a job"), left.getMessage());
            assertTrue(left.getCause() == cause || List.of(left.getSuppressed()).contains(cause), left.toString());
        }
    }
}
