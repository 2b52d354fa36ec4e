package hero.supervisor;

import static java.util.concurrent.TimeUnit.SECONDS;

import com.google.common.util.concurrent.ListenableFuture;
import hero.supervisor.v1.ListJobsRequest;
import hero.supervisor.v1.ListJobsResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

class BrokenLineTest {
    private static final int CLIENTS = 40;
    private static final int ROUNDS = 5;

    /** The way to a server, which can be cut. */
    private static final class Line implements AutoCloseable {
        private final ServerSocket door = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        private final List<Socket> open = new CopyOnWriteArrayList<>();
        private final int server;

        Line(String server) throws IOException {
            this.server = Integer.parseInt(server.substring(server.indexOf(':') + 1));
            background(
                    () -> {
                        while (true) {
                            join(door.accept());
                        }
                    });
        }

        String address() {
            return "127.0.0.1:" + door.getLocalPort();
        }

        void cut() throws IOException {
            for (Socket socket : open) {
                socket.close();
            }
            open.clear();
        }

        @Override
        public void close() throws IOException {
            door.close();
            cut();
        }

        private void join(Socket client) throws IOException {
            Socket far = new Socket(InetAddress.getLoopbackAddress(), server);
            open.addAll(List.of(client, far));
            background(() -> client.getInputStream().transferTo(far.getOutputStream()));
            background(() -> far.getInputStream().transferTo(client.getOutputStream()));
        }

        private interface Work {
            void run() throws IOException;
        }

        private static void background(Work work) {
            Runnable until =
                    () -> {
                        try {
                            work.run();
                        } catch (IOException cut) {
                            // It was to end.
                        }
                    };
            Thread thread = new Thread(until);
            thread.setDaemon(true);
            thread.start();
        }
    }

    /** Among so many reads there are some that gRPC gives to a connection that it has not yet seen the end of. */
    @Test
    void readsOutliveAConnectionThatBreaksUnderThem() throws Exception {
        List<SupervisorClient> clients = new ArrayList<>();
        try (FakeServer server = FakeServer.start();
                Line line = new Line(server.address())) {
            for (int client = 0; client < CLIENTS; client++) {
                clients.add(SupervisorClient.connect(line.address()));
            }
            for (int round = 0; round < ROUNDS; round++) {
                readAll(clients);
                line.cut();
                readAll(clients);
            }
        } finally {
            clients.forEach(SupervisorClient::close);
        }
    }

    private static void readAll(List<SupervisorClient> clients) throws Exception {
        List<ListenableFuture<ListJobsResponse>> reads = new ArrayList<>();
        for (SupervisorClient client : clients) {
            reads.add(client.future().listJobs(ListJobsRequest.getDefaultInstance()));
        }
        for (ListenableFuture<ListJobsResponse> read : reads) {
            read.get(30, SECONDS);
        }
    }
}
