package hero.supervisor;

import java.nio.file.Path;
import java.util.Objects;

/**
 * How a client deals with a server that does not answer, whom it trusts, and how it shows who it is. What the latter two leave out is
 * said by the environment: {@code HERO_SUPERVISOR_CACERT}, {@code HERO_SUPERVISOR_CLIENT_CERT}, {@code HERO_SUPERVISOR_CLIENT_KEY}, {@code
 * HERO_SUPERVISOR_TOKEN} and {@code HERO_SUPERVISOR_TOKEN_FILE}.
 */
public final class ConnectOptions {
    private static final ConnectOptions DEFAULTS =
            new ConnectOptions(false, System.getLogger("hero.supervisor"), Access.NONE);

    private final boolean failFast;
    private final System.Logger logger;
    private final Access access;

    private ConnectOptions(boolean failFast, System.Logger logger, Access access) {
        this.failFast = failFast;
        this.logger = Objects.requireNonNull(logger, "logger");
        this.access = access;
    }

    /** Waits for a server, and logs to {@code System.getLogger("hero.supervisor")}. */
    public static ConnectOptions defaults() {
        return DEFAULTS;
    }

    /**
     * Whether waits fail with reason {@code NO_SERVER} at the first failure, rather than wait for a server. A server that has answered
     * once is waited for in any case.
     */
    public boolean failFast() {
        return failFast;
    }

    /** Gets a warning when a server does not answer several times in a row. */
    public System.Logger logger() {
        return logger;
    }

    Access access() {
        return access;
    }

    /** The same with another {@link #failFast()}. */
    public ConnectOptions withFailFast(boolean failFast) {
        return new ConnectOptions(failFast, logger, access);
    }

    /** The same with another {@link #logger()}. */
    public ConnectOptions withLogger(System.Logger logger) {
        return new ConnectOptions(failFast, logger, access);
    }

    /** Trusts servers by the CAs in this file (PEM) instead of those of this machine. A {@code host:port} is encrypted then. */
    public ConnectOptions withCacert(Path file) {
        return with(new Access(file, access.clientCert(), access.clientKey(), access.token(), access.tokenFile()));
    }

    /**
     * Shows this certificate to servers that ask for one. Both files are in PEM, the key in PKCS #8. A {@code host:port} is encrypted
     * then.
     */
    public ConnectOptions withClientCert(Path certificate, Path key) {
        return with(new Access(access.cacert(), certificate, key, access.token(), access.tokenFile()));
    }

    /**
     * Sends a token with each call. It is never sent in the clear to another machine: a {@code host:port} that is not this machine is
     * encrypted then, and {@code http://host:port} is refused.
     */
    public ConnectOptions withToken(String token) {
        return with(new Access(access.cacert(), access.clientCert(), access.clientKey(), token, access.tokenFile()));
    }

    /** Like {@link #withToken}, with the token in a file, which is read again when it has changed. */
    public ConnectOptions withTokenFile(Path file) {
        return with(new Access(access.cacert(), access.clientCert(), access.clientKey(), access.token(), file));
    }

    private ConnectOptions with(Access access) {
        return new ConnectOptions(failFast, logger, access);
    }
}
