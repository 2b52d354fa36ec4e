package hero.supervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import hero.supervisor.v1.Job;
import hero.supervisor.v1.JobSpec;
import hero.supervisor.v1.ListJobsRequest;
import hero.supervisor.v1.ScriptType;
import hero.supervisor.v1.StreamActorLogsRequest;
import hero.supervisor.v1.SubmitJobRequest;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class JobHandleTest {
    private static final Duration LONG = Duration.ofSeconds(60);

    private FakeServer server;
    private SupervisorClient client;

    @BeforeEach
    void connect() throws Exception {
        server = FakeServer.start();
        client = SupervisorClient.connect(server.address());
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    private static SubmitJobRequest request(String script) {
        JobSpec.Builder job = JobSpec.newBuilder().setScriptType(ScriptType.SCRIPT_TYPE_OSIS).setScript(script);
        return SubmitJobRequest.newBuilder().setJob(job).setRequestId("id-" + script).build();
    }

    private JobHandle submit(String script, String jobId) {
        return client.submit(ScriptType.SCRIPT_TYPE_OSIS, script, LONG, request -> request.setJobId(jobId));
    }

    @Test
    void aHandleHasTheResultOfItsJob() throws Exception {
        JobHandle handle = submit("42", "answer");
        assertEquals("answer", handle.jobId());
        assertEquals("42", handle.result(LONG));
        assertEquals("42", handle.resultAsync(LONG).get(60, TimeUnit.SECONDS));
        assertEquals("42", handle.get().getSpec().getScript());
        SupervisorException missing = assertThrows(SupervisorException.class, client.job("nope")::get);
        assertEquals(Status.Code.NOT_FOUND, missing.code());
    }

    @Test
    void aJobThatFailedSaysWhere() {
        JobFailedException failed = assertThrows(JobFailedException.class, () -> submit("throw", "j").result(LONG));
        assertEquals("job j failed (SCRIPT_ERROR): boom (line 2, column 1)", failed.getMessage());
    }

    @Test
    void aJobIsCancelledByItsHandleWhoeverHasSubmittedIt() {
        submit("wait", "long");
        JobHandle handle = client.job("long");
        var end = client.awaitAsync("long", LONG);
        assertEquals(Job.State.STATE_CANCELLED, handle.cancel("enough").getState());
        assertEquals("enough", end.join().getCancelReason());
    }

    @Test
    void aJobIsFollowedToItsEndThroughALostConnection() {
        JobHandle handle = submit("1", "j");
        List<String> lines = new ArrayList<>();
        try (LogLines logs = handle.logs()) {
            logs.forEachRemaining(line -> lines.add(line.getText()));
        }
        assertEquals(List.of("one", "two behind 2"), lines);
        List<Job.State> states = new ArrayList<>();
        try (var watch = handle.watch()) {
            for (var message : watch) {
                if (message.hasJob()) {
                    states.add(message.getJob().getState());
                }
            }
        }
        assertEquals(List.of(Job.State.STATE_RUNNING, Job.State.STATE_SUCCEEDED), states);
    }

    @Test
    void theLinesOfAnActorGoOnBehindTheLastOne() {
        List<String> lines = new ArrayList<>();
        try (LogLines logs = client.actorLogs(StreamActorLogsRequest.newBuilder().setActorId("a").build())) {
            logs.forEachRemaining(line -> lines.add(line.getText()));
        }
        assertEquals(List.of("first", "behind 1"), lines);
    }

    @Test
    void goodJobsOfManyAreAcceptedWhateverTheOthersAreInAsManyCallsAsTheyNeed() {
        List<SubmitJobRequest> requests = new ArrayList<>();
        for (int number = 0; number < 1500; number++) {
            requests.add(request(number == 1200 ? "" : Integer.toString(number)));
        }
        List<SubmitResult> results = client.submitMany(requests, LONG);
        assertEquals(1500, results.size());
        assertEquals(1499, server.jobs());
        SupervisorException refused = assertThrows(SupervisorException.class, results.get(1200)::orThrow);
        assertSame(results.get(1200).error(), refused);
        assertEquals("INVALID_FIELD", refused.reason());
        assertEquals("1499", results.get(1499).orThrow().result(LONG));

        Set<String> ids = new HashSet<>();
        client.listJobs(ListJobsRequest.getDefaultInstance()).forEach(job -> ids.add(job.getJobId()));
        assertEquals(1499, ids.size());
    }

    @Test
    void aCallOfManyThatFailsDoesNotTakeAwayTheHandlesOfThoseBefore() {
        List<SubmitJobRequest> requests = new ArrayList<>();
        for (int number = 0; number < 1000; number++) {
            requests.add(request(Integer.toString(number)).toBuilder().clearRequestId().build());
        }
        requests.add(request("break"));
        List<SubmitResult> results = client.submitMany(requests, LONG);
        assertEquals("999", results.get(999).orThrow().result(LONG));
        SupervisorException error = results.get(1000).error();
        assertEquals("it is broken", error.getMessage());
        assertEquals("id-break", error.metadata().get("request_id"));
        assertThrows(SupervisorException.class, () -> client.submitMany(List.of(request("break")), LONG));
    }

    @Test
    void actorsAreScaled() {
        var scaled = client.scale(ScriptType.SCRIPT_TYPE_OSIS, 2, Duration.ofSeconds(1));
        assertEquals(List.of("osis_actor_0", "osis_actor_1"), scaled.getAddedActorIdsList());
    }
}
