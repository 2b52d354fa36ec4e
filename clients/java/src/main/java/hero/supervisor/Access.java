package hero.supervisor;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;

/**
 * Whom a client trusts, and how it shows who it is: what its options say, or else the environment.
 *
 * @param cacert the CAs that servers are trusted by, or null for those of this machine
 * @param clientCert the certificate of the client, or null
 * @param clientKey its key, or null
 * @param token the token, or null
 * @param tokenFile the file that has it, or null
 */
record Access(Path cacert, Path clientCert, Path clientKey, String token, Path tokenFile) {
    static final Access NONE = new Access(null, null, null, null, null);

    /** Fills in what no option says. */
    Access orEnvironment(UnaryOperator<String> environment) {
        UnaryOperator<String> said =
                name -> {
                    String value = environment.apply("HERO_SUPERVISOR_" + name);
                    return value == null || value.isEmpty() ? null : value;
                };
        boolean pair = clientCert != null || clientKey != null;
        return new Access(
                cacert != null ? cacert : path(said.apply("CACERT")),
                pair ? clientCert : path(said.apply("CLIENT_CERT")),
                pair ? clientKey : path(said.apply("CLIENT_KEY")),
                hasToken() ? token : said.apply("TOKEN"),
                hasToken() ? tokenFile : path(said.apply("TOKEN_FILE")));
    }

    private static Path path(String text) {
        return text == null ? null : Path.of(text);
    }

    private boolean hasToken() {
        return token != null || tokenFile != null;
    }

    /** Whether the connection to an address is encrypted. */
    boolean encrypts(Address address) {
        boolean given = cacert != null || clientCert != null;
        return address.tls() || (address.bare() && (given || (hasToken() && !address.local())));
    }

    /** What the connection to an address is made with. */
    ChannelCredentials credentials(Address address) {
        if ((clientCert == null) != (clientKey == null)) {
            throw new IllegalArgumentException("a client certificate and its key go together: give both");
        }
        if (!encrypts(address)) {
            return InsecureChannelCredentials.create();
        }
        TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
        read("the CA certificates", cacert, "-----BEGIN CERTIFICATE-----", "certificate", builder::trustManager);
        if (clientCert != null) {
            read("the client certificate", clientCert, "-----BEGIN CERTIFICATE-----", "certificate", file -> {});
            read("the client certificate", clientKey, "-----BEGIN PRIVATE KEY-----", "key (PKCS #8)", file -> {});
            try {
                builder.keyManager(clientCert.toFile(), clientKey.toFile());
            } catch (IOException error) {
                throw new IllegalArgumentException("the client certificate cannot be read: " + error, error);
            }
        }
        return builder.build();
    }

    /** The token, or null; never for a plain connection to another machine. */
    Token shownTo(Address address) {
        if (!hasToken()) {
            return null;
        }
        if (!encrypts(address) && !address.local()) {
            throw new IllegalArgumentException(
                    "\""
                            + address.text()
                            + "\" would send the token in the clear to another machine: use https://"
                            + address.place());
        }
        if (token != null && tokenFile != null) {
            throw new IllegalArgumentException("a token and a token file were given: give one of them");
        }
        return token != null ? Token.of(token) : Token.of(tokenFile);
    }

    private interface Use {
        void of(java.io.File file) throws IOException;
    }

    private static void read(String what, Path file, String begin, String name, Use use) {
        if (file == null) {
            return;
        }
        try {
            if (!Files.readString(file).contains(begin)) {
                throw new IllegalArgumentException(
                        what + " cannot be read: " + file + " holds no " + name + " in PEM");
            }
            use.of(file.toFile());
        } catch (IOException error) {
            throw new IllegalArgumentException(what + " cannot be read: " + error, error);
        }
    }

    /** Without the token. */
    @Override
    public String toString() {
        String shown = token == null ? null : "***";
        return "Access[cacert=%s, clientCert=%s, clientKey=%s, token=%s, tokenFile=%s]"
                .formatted(cacert, clientCert, clientKey, shown, tokenFile);
    }
}
