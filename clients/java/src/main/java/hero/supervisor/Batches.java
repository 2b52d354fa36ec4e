package hero.supervisor;

import hero.supervisor.v1.FieldViolation;
import hero.supervisor.v1.ItemError;
import hero.supervisor.v1.SubmitJobRequest;
import hero.supervisor.v1.SubmitJobResult;
import hero.supervisor.v1.SubmitJobsRequest;
import hero.supervisor.v1.SubmitJobsResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Function;

/** Many jobs in as few calls as the server takes. */
final class Batches {
    /** Jobs in one call, and bytes of all of them; the server takes 1000 and 4 MiB. */
    private static final int MOST_JOBS = 1000;

    private static final int MOST_BYTES = 3 * 1024 * 1024;

    private Batches() {}

    /** Divides requests among calls; each has an id then, so that a repeat does no harm. */
    static List<SubmitJobsRequest> of(List<SubmitJobRequest> requests) {
        List<SubmitJobsRequest> batches = new ArrayList<>();
        SubmitJobsRequest.Builder batch = SubmitJobsRequest.newBuilder();
        int bytes = 0;
        for (SubmitJobRequest request : requests) {
            int size = request.getSerializedSize();
            if (batch.getRequestsCount() == MOST_JOBS || (bytes > 0 && bytes + size > MOST_BYTES)) {
                batches.add(batch.build());
                batch.clear();
                bytes = 0;
            }
            bytes += size;
            batch.addRequests(
                    request.getRequestId().isEmpty()
                            ? request.toBuilder().setRequestId(UUID.randomUUID().toString()).build()
                            : request);
        }
        if (batch.getRequestsCount() > 0) {
            batches.add(batch.build());
        }
        return batches;
    }

    /** Makes the calls one after the other. Jobs of calls before one that fails are there, and their handles are not lost. */
    static List<SubmitResult> submit(
            SupervisorClient client,
            List<SubmitJobRequest> requests,
            Function<SubmitJobsRequest, SubmitJobsResponse> call) {
        List<SubmitResult> results = new ArrayList<>();
        for (SubmitJobsRequest batch : of(requests)) {
            try {
                call.apply(batch).getResultsList().forEach(result -> results.add(result(client, result)));
            } catch (SupervisorException error) {
                if (results.isEmpty()) {
                    throw error;
                }
                batch.getRequestsList().forEach(request -> results.add(unsubmitted(error, request.getRequestId())));
            }
        }
        return results;
    }

    /** The error of a whole call for one of its jobs, which may be there: a repeat with its request id makes it once. */
    private static SubmitResult unsubmitted(SupervisorException error, String requestId) {
        Map<String, String> metadata = new LinkedHashMap<>(error.metadata());
        metadata.put("request_id", requestId);
        return new SubmitResult(
                null, new SupervisorException(error.code(), error.reason(), error.getMessage(), metadata, error));
    }

    /** What became of one job. */
    private static SubmitResult result(SupervisorClient client, SubmitJobResult result) {
        if (!result.hasError()) {
            return new SubmitResult(client.job(result.getJob().getJobId()), null);
        }
        ItemError error = result.getError();
        Map<String, String> fields = new LinkedHashMap<>();
        for (FieldViolation violation : error.getFieldViolationsList()) {
            fields.put(violation.getField(), violation.getDescription());
        }
        Status.Code code = Status.fromCodeValue(error.getCode()).getCode();
        return new SubmitResult(
                null,
                new SupervisorException(
                        code,
                        error.getReason(),
                        error.getMessage(),
                        error.getMetadataMap(),
                        Duration.ZERO,
                        fields,
                        null));
    }
}
