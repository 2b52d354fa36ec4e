package hero.supervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import hero.supervisor.v1.ScriptType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class AddressTest {
    private static final Duration LONG = Duration.ofSeconds(60);

    @Test
    void anAddressIsAHostWithAPortOrAUrlOrAPath() {
        for (String text : new String[] {"127.0.0.1:1", "[::1]:1", "supervisor.example.org:1", "a_b:1"}) {
            for (String scheme : new String[] {"", "http://", "https://"}) {
                Address found = Address.parse(scheme + text + (scheme.equals("https://") ? "/" : ""));
                assertEquals("dns:///" + text, found.target());
                assertEquals(text, found.place());
                assertEquals(scheme, found.scheme());
                assertEquals(text.matches("(127|\\[).*"), found.local());
            }
        }
        for (String text : new String[] {"unix:/run/hero.sock", "unix:///run/hero.sock"}) {
            assertEquals(Path.of("/run/hero.sock"), Address.parse(text).socket());
        }
        assertEquals("dns:///supervisor:1", Address.parse("dns:///supervisor:1").target());
    }

    @Test
    void aWrongAddressIsRefusedWithWhatIsRight() {
        String[] wrong = {
            "", "localhost", "a b", "ftp://x:1", "http://", "https://x", "http://x:1/y", "x:1/", "::1:5", "x:0", "x:65536", "unix:",
            "unix:run", "unix://run", "unix:/\0"
        };
        for (String text : wrong) {
            var refused = assertThrows(IllegalArgumentException.class, () -> SupervisorClient.connect(text), text);
            assertEquals(
                    "\"" + text + "\" is not an address: use host:port, http://host:port, https://host:port or unix:/path",
                    refused.getMessage());
        }
    }

    @Test
    void theEnvironmentNamesTheServerWhenNoAddressIsGiven() {
        assertEquals("unix:/run/hero.sock", Address.ofEnvironment("unix:/run/hero.sock"));
        assertEquals("127.0.0.1:50051", Address.ofEnvironment(""));
        assertEquals("127.0.0.1:50051", Address.ofEnvironment(null));
    }

    @Test
    void aJobIsRunOverAUnixSocketAlsoAfterItsConnectionWasLost() throws Exception {
        Path socket = Files.createTempDirectory("hero").resolve("s");
        try (SupervisorClient client = SupervisorClient.connect("unix:" + socket)) {
            try (FakeServer server = FakeServer.at(socket)) {
                assertEquals("1", client.run(ScriptType.SCRIPT_TYPE_OSIS, "1", LONG).getResult());
                assertEquals("unix:" + socket, server.address());
            }
            Files.deleteIfExists(socket);
            try (FakeServer again = FakeServer.at(socket)) {
                assertEquals("2", client.run(ScriptType.SCRIPT_TYPE_OSIS, "2", LONG).getResult());
                assertEquals(1, again.jobs());
            }
        }
    }
}
