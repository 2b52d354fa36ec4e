package hero.supervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import hero.supervisor.v1.GetServerInfoRequest;
import hero.supervisor.v1.GetServerInfoResponse;
import hero.supervisor.v1.SupervisorGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class RepeatReadsTest {
    /** Refuses the first call as soon as it starts, before its message, and answers the next one. */
    private static final class RefusesOnce extends Channel {
        private final List<String> seen = new ArrayList<>();

        @Override
        public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
            return new ClientCall<>() {
                private Listener<A> listener;

                @Override
                public void start(Listener<A> answers, Metadata headers) {
                    listener = answers;
                    seen.add("start");
                    if (seen.size() == 1) {
                        listener.onClose(Status.UNAVAILABLE.withDescription("refused"), new Metadata());
                        listener = null;
                    }
                }

                @Override
                public void request(int messages) {}

                @Override
                public void cancel(String why, Throwable cause) {}

                @Override
                public void sendMessage(Q message) {
                    if (listener != null) {
                        seen.add("message");
                    }
                }

                @Override
                @SuppressWarnings("unchecked")
                public void halfClose() {
                    if (listener != null) {
                        listener.onMessage((A) GetServerInfoResponse.newBuilder().setVersion("1").build());
                        listener.onClose(Status.OK, new Metadata());
                    }
                }
            };
        }

        @Override
        public String authority() {
            return "test";
        }
    }

    @Test
    void aReadThatFailsBeforeItsMessageIsRepeated() throws Exception {
        ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
        try {
            RefusesOnce channel = new RefusesOnce();
            var calls = SupervisorGrpc.newFutureStub(ClientInterceptors.intercept(channel, new RepeatReads(timer)));
            var answer = calls.getServerInfo(GetServerInfoRequest.getDefaultInstance()).get(30, TimeUnit.SECONDS);
            assertEquals("1", answer.getVersion());
            assertEquals(List.of("start", "start", "message"), channel.seen);
        } finally {
            timer.shutdownNow();
        }
    }
}
