package hero.supervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import hero.supervisor.v1.Job;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SupervisorExceptionTest {
    @Test
    void anErrorHasWhatItsDetailsSay() {
        ErrorInfo info =
                ErrorInfo.newBuilder()
                        .setDomain(SupervisorException.DOMAIN)
                        .setReason("QUEUE_FULL")
                        .putMetadata("limit", "5")
                        .build();
        RetryInfo retry = RetryInfo.newBuilder().setRetryDelay(Protos.duration(Duration.ofMillis(1500))).build();
        BadRequest fields =
                BadRequest.newBuilder()
                        .addFieldViolations(
                                BadRequest.FieldViolation.newBuilder().setField("job.script").setDescription("is empty"))
                        .build();
        com.google.rpc.Status status =
                com.google.rpc.Status.newBuilder()
                        .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
                        .setMessage("full")
                        .addDetails(Any.pack(info))
                        .addDetails(Any.pack(retry))
                        .addDetails(Any.pack(fields))
                        .build();
        SupervisorException error = SupervisorException.of(StatusProto.toStatusRuntimeException(status));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, error.code());
        assertEquals("QUEUE_FULL", error.reason());
        assertEquals(Map.of("limit", "5"), error.metadata());
        assertEquals(Duration.ofMillis(1500), error.retryAfter());
        assertEquals(Map.of("job.script", "is empty"), error.fields());
        assertFalse(error.isLost());
        assertEquals("RESOURCE_EXHAUSTED (QUEUE_FULL): full", error.toString());
    }

    @Test
    void aBrokenConnectionHasNoReasonAndIsWorthARepeat() {
        SupervisorException error = SupervisorException.of(Status.UNAVAILABLE.withDescription("gone").asRuntimeException());
        assertEquals("", error.reason());
        assertTrue(error.isLost());
        assertEquals(error, SupervisorException.of(error));
    }

    @Test
    void aFailureOfTheNetworkIsToldInTheWordsOfTheSystem() {
        Status broken = Status.UNAVAILABLE.withDescription("io exception\nChannel Pipeline: [SslHandler#0]: not an SSL/TLS record: 00");
        assertEquals(": not an SSL/TLS record: 00", why(broken.withCause(new IOException("not an SSL/TLS record: 00"))));
        String linux = "finishConnect(..) failed with error(-111): Connection refused: /127.0.0.1:1";
        Status refused = Status.UNAVAILABLE.withDescription("io exception").withCause(new IOException(linux));
        assertEquals(": Connection refused: /127.0.0.1:1", why(refused));
        assertEquals(": Unable to resolve host x", why(Status.UNAVAILABLE.withDescription("Unable to resolve host x")));
        assertEquals("", why(Status.DEADLINE_EXCEEDED.withDescription("context timed out")));
    }

    private static String why(Status status) {
        return SupervisorException.of(status.asRuntimeException()).why();
    }

    @Test
    void aLostAnswerIsAskedForAgainAndAFullRedisIsNot() {
        assertTrue(told(Status.Code.DEADLINE_EXCEEDED, "TIMED_OUT").isLost());
        assertTrue(told(Status.Code.UNAVAILABLE, "REDIS_READ_ONLY").isLost());
        assertFalse(told(Status.Code.RESOURCE_EXHAUSTED, "REDIS_FULL").isLost());
    }

    private static SupervisorException told(Status.Code code, String reason) {
        ErrorInfo info = ErrorInfo.newBuilder().setDomain("supervisor.hero").setReason(reason).build();
        com.google.rpc.Status status =
                com.google.rpc.Status.newBuilder().setCode(code.value()).addDetails(Any.pack(info)).build();
        return SupervisorException.of(StatusProto.toStatusRuntimeException(status));
    }

    @Test
    void onlyAJobThatSucceededHasAResult() {
        Job good = Job.newBuilder().setState(Job.State.STATE_SUCCEEDED).setResult("42").build();
        assertEquals("42", SupervisorClient.result(good));
        Job cancelled = Job.newBuilder().setState(Job.State.STATE_CANCELLED).setCancelReason("no need").build();
        JobFailedException failed = assertThrows(JobFailedException.class, () -> SupervisorClient.result(cancelled));
        assertTrue(failed.getMessage().contains("no need"));
    }
}
