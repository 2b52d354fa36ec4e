package hero.supervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import hero.supervisor.v1.GetServerInfoRequest;
import hero.supervisor.v1.GetServerInfoResponse;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.RunJobRequest;
import hero.supervisor.v1.RunJobResponse;
import hero.supervisor.v1.ScriptType;
import hero.supervisor.v1.SupervisorGrpc;
import hero.supervisor.v1.WaitOutcome;
import hero.supervisor.v1.WatchEventsRequest;
import hero.supervisor.v1.WatchEventsResponse;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How a client shows who it is, and that refusals are final. */
class AccessTest {
    private static final ConnectOptions DEFAULTS = ConnectOptions.defaults();
    private static final GetServerInfoRequest INFO = GetServerInfoRequest.getDefaultInstance();

    @TempDir private Path folder;
    private final AtomicInteger calls = new AtomicInteger();
    private Server server;
    private String address;

    /** Lets calls through whose token is "right", and counts all. */
    private final class Guard implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            calls.incrementAndGet();
            String shown = headers.get(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER));
            if ("Bearer right".equals(shown)) {
                return next.startCall(call, headers);
            }
            boolean known = "Bearer small".equals(shown);
            call.close(known ? Status.PERMISSION_DENIED : Status.UNAUTHENTICATED, new Metadata());
            return new ServerCall.Listener<>() {};
        }
    }

    private static final class Answers extends SupervisorGrpc.SupervisorImplBase {
        @Override
        public void getServerInfo(GetServerInfoRequest request, StreamObserver<GetServerInfoResponse> answer) {
            answer.onNext(GetServerInfoResponse.getDefaultInstance());
            answer.onCompleted();
        }

        @Override
        public void runJob(RunJobRequest request, StreamObserver<RunJobResponse> answer) {
            answer.onNext(
                    RunJobResponse.newBuilder()
                            .setWaitOutcome(WaitOutcome.WAIT_OUTCOME_DONE)
                            .setJob(Job.getDefaultInstance())
                            .build());
            answer.onCompleted();
        }

        @Override
        public void watchEvents(WatchEventsRequest request, StreamObserver<WatchEventsResponse> answer) {
            answer.onNext(WatchEventsResponse.newBuilder().setCursor("c").build());
            answer.onError(Status.PERMISSION_DENIED.asRuntimeException());
        }
    }

    @BeforeEach
    void start() throws IOException {
        server =
                NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                        .addService(new Answers())
                        .intercept(new Guard())
                        .build()
                        .start();
        address = "127.0.0.1:" + server.getPort();
    }

    @AfterEach
    void stop() throws InterruptedException {
        server.shutdownNow().awaitTermination();
    }

    private Path file(String text) throws IOException {
        return Files.writeString(Files.createTempFile(folder, "file", ""), text);
    }

    @Test
    void anAddressAndWhatIsGivenSayWhetherItIsEncrypted() {
        Access token = new Access(null, null, null, "t", null);
        Access all = new Access(Path.of("c"), null, null, "t", null);
        Access cacert = new Access(Path.of("c"), null, null, null, null);
        for (String plain : new String[] {"127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/s", "http://127.0.0.1:1"}) {
            assertTrue(!Access.NONE.encrypts(Address.parse(plain)) && !token.encrypts(Address.parse(plain)), plain);
        }
        assertTrue(!all.encrypts(Address.parse("unix:/s")) && !all.encrypts(Address.parse("http://127.0.0.1:1")));
        assertTrue(cacert.encrypts(Address.parse("127.0.0.1:1")));
        assertTrue(new Access(null, Path.of("c"), Path.of("k"), null, null).encrypts(Address.parse("127.0.0.1:1")));
        assertTrue(!Access.NONE.encrypts(Address.parse("10.0.0.1:1")) && token.encrypts(Address.parse("10.0.0.1:1")));
        assertTrue(Access.NONE.encrypts(Address.parse("https://127.0.0.1:1")));
    }

    @Test
    void whatCannotBeIsRefusedByConnect() throws IOException {
        Path two = file("a b\n");
        Path nowhere = Path.of("/nowhere");
        Map<String, ConnectOptions> wrong =
                Map.of(
                        "a client certificate and its key go together: give both", DEFAULTS.withClientCert(two, null),
                        "a token and a token file were given: give one of them", DEFAULTS.withToken("t").withTokenFile(two),
                        "the token is not one word of visible ASCII characters", DEFAULTS.withToken("a\nb"),
                        ": the token is not one word of visible ASCII characters", DEFAULTS.withTokenFile(two),
                        "the token is empty", DEFAULTS.withTokenFile(file("\n")),
                        "the token file cannot be read", DEFAULTS.withTokenFile(nowhere),
                        "the CA certificates cannot be read", DEFAULTS.withCacert(nowhere),
                        "holds no certificate in PEM", DEFAULTS.withCacert(two),
                        "the client certificate cannot be read", DEFAULTS.withClientCert(nowhere, nowhere));
        wrong.forEach((words, options) -> refused("h:1", options, words));
        refused(
                "http://h:1",
                DEFAULTS.withToken("t"),
                "\"http://h:1\" would send the token in the clear to another machine: use https://h:1");
    }

    private static void refused(String address, ConnectOptions options, String words) {
        var refused = assertThrows(IllegalArgumentException.class, () -> SupervisorClient.connect(address, options), words);
        assertTrue(refused.getMessage().contains(words), refused.getMessage());
    }

    @Test
    void aTokenIsShownAndRefusalsAreFinal() {
        try (var client = SupervisorClient.connect(address, DEFAULTS.withToken("right"));
                var watch = client.watchEvents(WatchEventsRequest.getDefaultInstance())) {
            client.blocking().getServerInfo(INFO);
            assertEquals("c", watch.next().getCursor());
            assertThrows(PermissionDeniedException.class, watch::hasNext);
        }
        Map.of("wrong", UnauthenticatedException.class, "small", PermissionDeniedException.class)
                .forEach(this::isFinal);
    }

    private void isFinal(String token, Class<? extends SupervisorException> kind) {
        calls.set(0);
        try (var client = SupervisorClient.connect(address, DEFAULTS.withToken(token));
                var watch = client.watchEvents(WatchEventsRequest.getDefaultInstance())) {
            assertThrows(kind, () -> client.getJob("j"));
            assertThrows(kind, () -> client.run(ScriptType.SCRIPT_TYPE_OSIS, "1", Duration.ofSeconds(30)));
            assertThrows(kind, watch::hasNext);
        }
        assertEquals(3, calls.get());
    }

    @Test
    void aTokenFileIsReadAgainWhenItHasChanged() throws IOException {
        Path file = file("wrong\n");
        try (var client = SupervisorClient.connect(address, DEFAULTS.withTokenFile(file))) {
            assertThrows(RuntimeException.class, () -> client.blocking().getServerInfo(INFO));
            Files.writeString(file, "right\n");
            client.blocking().getServerInfo(INFO);
            Files.delete(file);
            client.blocking().getServerInfo(INFO);
        }
    }

    @Test
    void theEnvironmentSaysWhatNoOptionSays() {
        UnaryOperator<String> environment =
                name -> Map.of("HERO_SUPERVISOR_TOKEN", "t", "HERO_SUPERVISOR_CACERT", "/c").get(name);
        assertEquals(new Access(Path.of("/c"), null, null, "t", null), Access.NONE.orEnvironment(environment));
        Access other = new Access(null, null, null, null, Path.of("/t"));
        assertEquals(new Access(Path.of("/c"), null, null, null, Path.of("/t")), other.orEnvironment(environment));
    }
}
