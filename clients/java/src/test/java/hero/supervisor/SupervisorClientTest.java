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
import io.grpc.ConnectivityState;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class SupervisorClientTest {
    private static final Duration LONG = Duration.ofSeconds(60);

    /** Answers every job with its own request id; what it was asked last is in {@code asked}. */
    private static final class Fake extends SupervisorGrpc.SupervisorImplBase {
        private volatile RunJobRequest asked;

        @Override
        public void getServerInfo(GetServerInfoRequest request, StreamObserver<GetServerInfoResponse> answers) {
            answers.onNext(GetServerInfoResponse.getDefaultInstance());
            answers.onCompleted();
        }

        @Override
        public void runJob(RunJobRequest request, StreamObserver<RunJobResponse> answers) {
            asked = request;
            Job job = Job.newBuilder().setJobId(request.getRequestId()).build();
            answers.onNext(
                    RunJobResponse.newBuilder().setJob(job).setWaitOutcome(WaitOutcome.WAIT_OUTCOME_DONE).build());
            answers.onCompleted();
        }
    }

    private static Server serve(int port, Fake fake) throws IOException {
        InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        return NettyServerBuilder.forAddress(address).addService(fake).build().start();
    }

    /** Nobody listens there, for now. */
    private static int freePort() throws Exception {
        Server server = serve(0, new Fake());
        int port = server.getPort();
        server.shutdownNow().awaitTermination();
        return port;
    }

    @Test
    void aReadOutlivesAServerThatIsAwayForAMoment() throws Exception {
        int port = freePort();
        try (SupervisorClient client = SupervisorClient.connect("127.0.0.1:" + port)) {
            // Each outage by itself, however long the one before it was.
            for (int outage = 0; outage < 2; outage++) {
                var answer = client.future().getServerInfo(GetServerInfoRequest.getDefaultInstance());
                while (client.connection().getState(false) != ConnectivityState.TRANSIENT_FAILURE) {
                    Thread.sleep(5);
                }
                // Longer than until the first reset, and shorter than gRPC itself would wait.
                Thread.sleep(300);
                Server server = serve(port, new Fake());
                try {
                    answer.get(10, TimeUnit.SECONDS);
                } finally {
                    server.shutdownNow().awaitTermination();
                }
                while (client.connection().getState(false) != ConnectivityState.IDLE) {
                    Thread.sleep(5);
                }
            }
        }
    }

    @Test
    void anInterruptedWaitNamesItsJob() throws Exception {
        try (SupervisorClient client = SupervisorClient.connect("127.0.0.1:" + freePort())) {
            Thread.currentThread().interrupt();
            SupervisorException await = assertThrows(SupervisorException.class, () -> client.await("job", LONG));
            assertTrue(Thread.interrupted());
            assertEquals(Status.Code.CANCELLED, await.code());
            assertEquals(Map.of("job_id", "job"), await.metadata());

            Thread.currentThread().interrupt();
            SupervisorException run =
                    assertThrows(
                            SupervisorException.class,
                            () ->
                                    client.run(
                                            ScriptType.SCRIPT_TYPE_OSIS, "1", LONG, request -> request.setRequestId("id")));
            assertTrue(Thread.interrupted());
            assertEquals(Map.of("request_id", "id"), run.metadata());
        }
    }

    @Test
    void theEndOfACallIsNotThatOfTheJob() throws Exception {
        Fake fake = new Fake();
        Server server = serve(0, fake);
        try (SupervisorClient client = SupervisorClient.connect("127.0.0.1:" + server.getPort())) {
            client.run(
                    ScriptType.SCRIPT_TYPE_OSIS,
                    "1",
                    LONG,
                    request -> request.setOnWaitEnd(RunJobRequest.OnWaitEnd.ON_WAIT_END_CANCEL));
            assertEquals(RunJobRequest.OnWaitEnd.ON_WAIT_END_UNSPECIFIED, fake.asked.getOnWaitEnd());
        } finally {
            server.shutdownNow().awaitTermination();
        }
    }
}
