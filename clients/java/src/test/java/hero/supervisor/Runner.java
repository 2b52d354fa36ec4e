package hero.supervisor;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import hero.supervisor.v1.Job;
import hero.supervisor.v1.RunJobRequest;
import hero.supervisor.v1.ScriptType;
import hero.supervisor.v1.SupervisorGrpc;
import hero.supervisor.v1.WatchEventsRequest;
import hero.supervisor.v1.WatchHealthRequest;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.stub.ClientCalls;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The runner of this client: it does what the driver of clients/conformance says, through the client as anybody uses it. */
public final class Runner {
    private static final Duration UNLIMITED = Duration.ofDays(1);

    private final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private final ExecutorService workers = Executors.newCachedThreadPool();
    private final Map<Integer, Operation> active = new ConcurrentHashMap<>();
    private SupervisorClient client;

    /** A command that is being done. */
    private record Operation(Context.CancellableContext context, CountDownLatch resumed) {}

    private Runner() {}

    public static void main(String[] arguments) throws Exception {
        Runner runner = new Runner();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            runner.begin(JsonParser.parseString(line).getAsJsonObject());
        }
        System.exit(0);
    }

    private void begin(JsonObject command) {
        int id = command.get("id").getAsInt();
        switch (text(command, "do")) {
            case "connect" -> {
                try {
                    client = SupervisorClient.connect(text(command, "address"), access(command));
                    ok(id, JsonNull.INSTANCE);
                } catch (IllegalArgumentException error) {
                    Status refused = Status.INVALID_ARGUMENT.withDescription(error.getMessage());
                    failed(id, SupervisorException.of(refused.asRuntimeException()));
                }
            }
            case "cancel" -> {
                Operation target = active.get(command.get("target").getAsInt());
                if (target != null) {
                    target.context().cancel(new CancellationException("cancelled by the driver"));
                }
                ok(id, JsonNull.INSTANCE);
            }
            case "resume" -> {
                Operation target = active.get(command.get("target").getAsInt());
                if (target != null) {
                    target.resumed().countDown();
                }
                ok(id, JsonNull.INSTANCE);
            }
            default -> {
                Operation operation = new Operation(Context.ROOT.withCancellation(), new CountDownLatch(1));
                active.put(id, operation);
                workers.execute(() -> operation.context().run(() -> work(id, command, operation)));
            }
        }
    }

    /** What a command says of who is trusted and who calls. */
    private static ConnectOptions access(JsonObject command) {
        ConnectOptions options = ConnectOptions.defaults();
        if (command.has("cacert")) {
            options = options.withCacert(Path.of(text(command, "cacert")));
        }
        if (command.has("clientCert")) {
            options = options.withClientCert(Path.of(text(command, "clientCert")), Path.of(text(command, "clientKey")));
        }
        if (command.has("token")) {
            options = options.withToken(text(command, "token"));
        }
        if (command.has("tokenFile")) {
            options = options.withTokenFile(Path.of(text(command, "tokenFile")));
        }
        return options;
    }

    private void work(int id, JsonObject command, Operation operation) {
        try {
            JsonElement answer = perform(id, command, operation);
            active.remove(id);
            ok(id, answer);
        } catch (IOException | ReflectiveOperationException broken) {
            broken.printStackTrace();
            System.exit(2);
        } catch (RuntimeException error) {
            active.remove(id);
            failed(id, SupervisorException.of(error));
        }
    }

    private JsonElement perform(int id, JsonObject command, Operation operation)
            throws IOException, ReflectiveOperationException {
        Duration timeout =
                command.has("timeoutMs") ? Duration.ofMillis(command.get("timeoutMs").getAsLong()) : UNLIMITED;
        switch (text(command, "do")) {
            case "run" -> {
                ScriptType type = ScriptType.valueOf(text(command, "scriptType"));
                Job job =
                        client.run(
                                type,
                                text(command, "script"),
                                timeout,
                                request -> {
                                    parse(command.get("spec"), request.getJobBuilder());
                                    if (command.has("input")) {
                                        request.getJobBuilder().setInput(command.get("input").toString());
                                    }
                                    if (command.has("queue")) {
                                        request.getJobBuilder().setQueue(text(command, "queue"));
                                    }
                                    if (command.has("requestId")) {
                                        request.setRequestId(text(command, "requestId"));
                                    }
                                    request.setJobId(text(command, "jobId"));
                                    if (command.has("cancelOnWaitEnd")) {
                                        request.setOnWaitEnd(RunJobRequest.OnWaitEnd.ON_WAIT_END_CANCEL);
                                    }
                                });
                return show(job);
            }
            case "await" -> {
                return show(client.await(text(command, "jobId"), timeout));
            }
            case "result" -> {
                JsonObject answer = new JsonObject();
                try {
                    answer.addProperty("result", SupervisorClient.result(client.await(text(command, "jobId"), timeout)));
                } catch (JobFailedException failed) {
                    answer.addProperty("failed", failed.job().getError().getKind().toString());
                }
                return answer;
            }
            case "call" -> {
                MethodDescriptor<Message, Message> method = method(text(command, "method"));
                CallOptions options =
                        command.has("timeoutMs")
                                ? CallOptions.DEFAULT.withDeadlineAfter(timeout.toMillis(), TimeUnit.MILLISECONDS)
                                : CallOptions.DEFAULT;
                return show(ClientCalls.blockingUnaryCall(client.channel(), method, options, request(method, command)));
            }
            case "stream" -> {
                MethodDescriptor<Message, Message> method = method(text(command, "method"));
                tell(
                        id,
                        command,
                        operation,
                        ClientCalls.blockingServerStreamingCall(
                                client.channel(), method, CallOptions.DEFAULT, request(method, command)));
                return JsonNull.INSTANCE;
            }
            case "watchEvents" -> {
                WatchEventsRequest.Builder request = WatchEventsRequest.newBuilder();
                parse(command.get("request"), request);
                tell(id, command, operation, client.watchEvents(request.build()));
                return JsonNull.INSTANCE;
            }
            case "watchHealth" -> {
                WatchHealthRequest.Builder request = WatchHealthRequest.newBuilder();
                parse(command.get("request"), request);
                tell(id, command, operation, client.watchHealth(request.build()));
                return JsonNull.INSTANCE;
            }
            case "golden" -> {
                Message empty = (Message) Class.forName(text(command, "type")).getMethod("getDefaultInstance").invoke(null);
                Message fromBinary =
                        empty.newBuilderForType().mergeFrom(HexFormat.of().parseHex(text(command, "binary"))).build();
                Message.Builder fromJson = empty.newBuilderForType();
                parse(command.get("json"), fromJson);
                JsonObject answer = new JsonObject();
                answer.add("json", show(fromBinary));
                answer.addProperty("binary", HexFormat.of().formatHex(fromJson.build().toByteArray()));
                answer.addProperty("again", HexFormat.of().formatHex(fromBinary.toByteArray()));
                return answer;
            }
            default -> throw new IOException("unknown command " + command);
        }
    }

    /** Passes on what a stream gives, and stops reading where it is told to. */
    private void tell(int id, JsonObject command, Operation operation, Iterator<? extends Message> messages) {
        int pauseAfter = command.has("pauseAfter") ? command.get("pauseAfter").getAsInt() : 0;
        for (int count = 1; messages.hasNext(); count++) {
            JsonObject line = new JsonObject();
            line.addProperty("id", id);
            line.add("item", show(messages.next()));
            say(line);
            if (count == pauseAfter) {
                try {
                    operation.resumed().await();
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    return;
                }
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static MethodDescriptor<Message, Message> method(String name) throws IOException {
        for (MethodDescriptor<?, ?> method : SupervisorGrpc.getServiceDescriptor().getMethods()) {
            if (name.equals(method.getBareMethodName())) {
                return (MethodDescriptor<Message, Message>) method;
            }
        }
        throw new IOException("no method " + name);
    }

    private static Message request(MethodDescriptor<Message, Message> method, JsonObject command) {
        var marshaller = (MethodDescriptor.PrototypeMarshaller<Message>) method.getRequestMarshaller();
        Message.Builder request = marshaller.getMessagePrototype().newBuilderForType();
        parse(command.get("request"), request);
        return request.build();
    }

    private void ok(int id, JsonElement answer) {
        JsonObject line = new JsonObject();
        line.addProperty("id", id);
        line.add("ok", answer);
        say(line);
    }

    private void failed(int id, SupervisorException error) {
        JsonObject told = new JsonObject();
        told.addProperty("code", error.code().toString());
        told.addProperty("reason", error.reason());
        told.addProperty("message", error.getMessage());
        told.add("metadata", new Gson().toJsonTree(error.metadata()));
        told.addProperty("retryAfterMs", error.retryAfter().toMillis());
        told.add("fields", new Gson().toJsonTree(error.fields()));
        if (error instanceof UnauthenticatedException) {
            told.addProperty("refusal", "unauthenticated");
        } else if (error instanceof PermissionDeniedException) {
            told.addProperty("refusal", "permission_denied");
        }
        JsonObject line = new JsonObject();
        line.addProperty("id", id);
        line.add("error", told);
        say(line);
    }

    private synchronized void say(JsonObject line) {
        JsonObject whole = line;
        out.println(new com.google.gson.GsonBuilder().serializeNulls().create().toJson(whole));
    }

    private static JsonElement show(MessageOrBuilder message) {
        try {
            return JsonParser.parseString(JsonFormat.printer().omittingInsignificantWhitespace().print(message));
        } catch (IOException broken) {
            throw new IllegalStateException(broken);
        }
    }

    private static void parse(JsonElement json, Message.Builder into) {
        if (json == null || json.isJsonNull()) {
            return;
        }
        try {
            JsonFormat.parser().merge(json.toString(), into);
        } catch (IOException broken) {
            throw new IllegalStateException(broken);
        }
    }

    private static String text(JsonObject command, String name) {
        return command.has(name) ? command.get(name).getAsString() : "";
    }
}
