package hero.supervisor;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;

/**
 * The token that is shown with each call. One in a file is read again when the file has changed, since tokens rotate; while the file
 * cannot be read, it stays what it was.
 */
final class Token implements ClientInterceptor {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final Path file;
    private List<Object> seen;
    private String text;

    private Token(String text, Path file) {
        this.text = text;
        this.file = file;
    }

    static Token of(String text) {
        return new Token(checked(text), null);
    }

    static Token of(Path file) {
        Token token = new Token(null, file);
        try {
            token.read();
        } catch (IOException error) {
            throw new IllegalArgumentException("the token file cannot be read: " + error, error);
        }
        return token;
    }

    private synchronized String current() {
        if (file != null) {
            try {
                if (!stamp().equals(seen)) {
                    read();
                }
            } catch (IOException | IllegalArgumentException halfWritten) {
                // The next call looks again.
            }
        }
        return text;
    }

    private void read() throws IOException {
        List<Object> stamp = stamp();
        try {
            text = checked(Files.readString(file));
        } catch (IllegalArgumentException error) {
            throw new IllegalArgumentException("the token file " + file + ": " + error.getMessage(), error);
        }
        seen = stamp;
    }

    /** What changes with a file. */
    private List<Object> stamp() throws IOException {
        BasicFileAttributes found = Files.readAttributes(file, BasicFileAttributes.class);
        Object key = found.fileKey() == null ? "" : found.fileKey();
        return List.of(found.lastModifiedTime(), found.size(), key);
    }

    /** A token without the white space around it. */
    private static String checked(String text) {
        String token = text.strip();
        if (token.isEmpty()) {
            throw new IllegalArgumentException("the token is empty");
        }
        if (!token.chars().allMatch(character -> character > ' ' && character <= '~')) {
            throw new IllegalArgumentException("the token is not one word of visible ASCII characters");
        }
        return token;
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
            @Override
            public void start(Listener<A> listener, Metadata headers) {
                headers.put(AUTHORIZATION, "Bearer " + current());
                super.start(listener, headers);
            }
        };
    }
}
