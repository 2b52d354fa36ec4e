package hero.supervisor;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;

/** The wait of one caller, which outlives lost connections and restarts of the server. */
final class Wait {
    /** What a call may take beyond its wait before it counts as lost. */
    static final Duration CALL_MARGIN = Duration.ofSeconds(10);
    /** Longest wait of one call; then the next one is made. */
    private static final Duration POLL = Duration.ofSeconds(60);

    /** How long a wait may take, for the text of its error. */
    private static final Context.Key<Duration> LIMIT = Context.keyWithDefault("hero.supervisor.limit", Duration.ZERO);

    private final Outage outage;
    private final Context context = Context.current();
    private final Delays delays = new Delays();
    private final long began = System.nanoTime();
    /** How long it may take in all. */
    private final Duration limit;
    private final String requestId;
    private String jobId;
    /** Whether the server has said that there is the job. */
    private boolean begun;
    /** Whether the server has answered at all, an error with a reason included. */
    private boolean heard;
    /** Whether a call was made. */
    private boolean tried;
    /** Whether the job was there before. */
    private boolean existing;
    /** What went wrong last. */
    private SupervisorException last;

    /** A wait for a job whose id is known, or is empty as long as nothing is known of a job. */
    Wait(Outage outage, String requestId, String jobId) {
        this.outage = outage;
        this.limit = LIMIT.get(context);
        this.requestId = requestId;
        this.jobId = jobId;
    }

    /** Does the work in a context that ends with the time-out. */
    static <T> T within(ScheduledExecutorService timer, Duration timeout, Supplier<T> work) {
        Context outer = Context.current();
        Deadline deadline = Deadline.after(timeout.toNanos(), TimeUnit.NANOSECONDS);
        Deadline earlier = outer.getDeadline();
        Duration limit =
                earlier == null || deadline.isBefore(earlier)
                        ? timeout
                        : Duration.ofNanos(earlier.timeRemaining(TimeUnit.NANOSECONDS));
        try (Context.CancellableContext context = outer.withValue(LIMIT, limit).withDeadline(deadline, timer)) {
            return context.call(work::get);
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Notes that there is the job, and whether it was there before, by its unique key. */
    void known(String id, boolean wasThere) {
        jobId = id;
        begun = true;
        existing = wasThere;
    }

    /** Whether the job was there before, so that it is not this caller's to cancel. */
    boolean isExisting() {
        return existing;
    }

    /** Whether this is the error of a wait that is over, by time or because the caller gave it up, when there may be a job. */
    boolean isOver(SupervisorException error) {
        return tried && (error.code() == Status.Code.DEADLINE_EXCEEDED || error.code() == Status.Code.CANCELLED);
    }

    /** The id of a job of which the server has said that it is there, or else an empty one. */
    String knownJobId() {
        return begun ? jobId : "";
    }

    /**
     * Repeats a call until it answers something: at once when that is null, later and later while the server is away. The call
     * gets how long it may wait; its null says that there is the job.
     */
    <T> T until(Function<Duration, T> call) {
        while (!context.isCancelled()) {
            tried = true;
            SupervisorException told;
            try {
                T answer = call.apply(nextPoll());
                heard = true;
                last = null;
                if (answer != null) {
                    return answer;
                }
                begun = true;
                delays.reset();
                outage.reset();
                continue;
            } catch (StatusRuntimeException error) {
                told = SupervisorException.of(error);
            }
            note(told);
            if (context.isCancelled()) {
                break;
            }
            if (outage.options().failFast() && !heard && told.code() != Status.Code.CANCELLED) {
                String message = "no server answers at " + outage.address() + told.why() + "; " + nothing();
                throw new SupervisorException(Status.Code.UNAVAILABLE, "NO_SERVER", message, metadata(), told);
            }
            outage.note(told);
            try {
                delays.pause(context, told.retryAfter());
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw over(interrupted);
            }
        }
        throw over(context.cancellationCause());
    }

    /** Remembers a failure; throws it when a repeat does not cure it, unless the wait is over anyhow. */
    private void note(SupervisorException told) {
        if (!context.isCancelled() && !told.isLost()) {
            throw told;
        }
        if (told.isLost() && told.metadata().containsKey("job_id")) {
            jobId = told.metadata().get("job_id");
        }
        heard |= !told.reason().isEmpty();
        // The end of a call's own time says less than what went wrong before.
        if (last == null || !told.isEndOfCall()) {
            last = told;
        }
    }

    private Duration nextPoll() {
        Deadline deadline = context.getDeadline();
        if (deadline == null) {
            return POLL;
        }
        Duration left = Duration.ofNanos(Math.max(deadline.timeRemaining(TimeUnit.NANOSECONDS), 0));
        return left.compareTo(POLL) < 0 ? left : POLL;
    }

    /** The error of a wait that is over, by time or because the caller gave it up. */
    private SupervisorException over(Throwable end) {
        boolean late = context.getDeadline() != null && context.getDeadline().isExpired();
        Status.Code code = late ? Status.Code.DEADLINE_EXCEEDED : Status.Code.CANCELLED;
        Throwable cause = last == null ? end : last;
        SupervisorException error = new SupervisorException(code, reason(late), message(late), metadata(), cause);
        if (end != null && end != cause && !late) {
            error.addSuppressed(end);
        }
        return error;
    }

    private String reason(boolean late) {
        if (begun || !tried) {
            return "WAIT_OVER";
        }
        if (last != null && !last.reason().isEmpty()) {
            return last.reason();
        }
        return !late && why().isEmpty() ? "WAIT_OVER" : "NO_SERVER";
    }

    private String message(boolean late) {
        if (begun) {
            String over = late ? "the wait is over before the job; it goes on" : "the wait was given up; the job goes on";
            String failed = why().isEmpty() ? "" : " (the last call failed" + why() + ")";
            return over + ", await it by its id" + failed;
        }
        if (!tried) {
            return "the wait was over before a call was made; " + nothing();
        }
        if (last != null && !last.reason().isEmpty()) {
            return "the server at " + outage.address() + " could not help within " + within(late) + why() + "; " + nothing();
        }
        if (!late && why().isEmpty()) {
            return "the wait was given up before the server at " + outage.address() + " answered; " + nothing();
        }
        return "no server answered at " + outage.address() + " within " + within(late) + why() + "; " + nothing();
    }

    private String why() {
        return last == null ? "" : last.why();
    }

    private String nothing() {
        return "nothing is known of " + (jobId.isEmpty() ? "a job" : "job " + jobId);
    }

    private String within(boolean late) {
        long millis = late ? limit.toMillis() : (System.nanoTime() - began) / 1_000_000;
        if (millis < 1000) {
            return millis + " ms";
        }
        long tenths = Math.round(millis / 100.0);
        return tenths / 10 + (tenths % 10 == 0 ? "" : "." + tenths % 10) + " s";
    }

    private Map<String, String> metadata() {
        Map<String, String> metadata = new LinkedHashMap<>();
        if (!jobId.isEmpty()) {
            metadata.put("job_id", jobId);
        }
        if (!requestId.isEmpty()) {
            metadata.put("request_id", requestId);
        }
        return metadata;
    }
}
