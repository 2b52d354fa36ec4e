package hero.supervisor;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a server is reached.
 *
 * @param text the address as it was given
 * @param target what gRPC takes; null over a Unix socket
 * @param socket the path of a Unix socket, or null
 * @param place host and port; null over a Unix socket
 * @param scheme how the connection is made; empty when host and port stand alone, and do not say whether it is encrypted
 * @param local whether the server is on this machine
 */
record Address(String text, String target, Path socket, String place, String scheme, boolean local) {
    /** The environment variable that names the server when no address is given. */
    static final String SERVER_VARIABLE = "HERO_SUPERVISOR_SERVER";
    /** Where the server listens unless told otherwise. */
    static final String DEFAULT = "127.0.0.1:50051";

    /** The scheme {@code dns:///} is gRPC's own word for a host with a port. */
    private static final Pattern HOST_AND_PORT =
            Pattern.compile(
                    "(https?://|dns:///)?((?:\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?):(\\d{1,5}))(/?)");

    /** The address of the environment, or else the usual one. */
    static String ofEnvironment(String variable) {
        return variable == null || variable.isEmpty() ? DEFAULT : variable;
    }

    /**
     * Reads {@code host:port}, {@code http://host:port}, {@code https://host:port} or {@code unix:/path}.
     *
     * @throws IllegalArgumentException for any other text
     */
    static Address parse(String text) {
        if (text.startsWith("unix:")) {
            String path = text.substring("unix:".length());
            path = path.startsWith("///") ? path.substring(2) : path;
            if (!path.startsWith("/") || path.startsWith("//") || path.length() == 1) {
                throw refused(text);
            }
            try {
                return new Address(text, null, Path.of(path), null, "unix:", true);
            } catch (InvalidPathException wrong) {
                throw refused(text);
            }
        }
        Matcher parts = HOST_AND_PORT.matcher(text);
        if (!parts.matches()) {
            throw refused(text);
        }
        int port = Integer.parseInt(parts.group(3));
        // A stroke ends a URL, and is nothing behind a port alone.
        if (port < 1 || port > 65_535 || (parts.group(1) == null && !parts.group(4).isEmpty())) {
            throw refused(text);
        }
        String place = parts.group(2);
        String given = parts.group(1) == null ? "" : parts.group(1);
        String scheme = given.equals("dns:///") ? "" : given;
        String host = place.substring(0, place.lastIndexOf(':'));
        return new Address(text, "dns:///" + place, null, place, scheme, isLoopback(host));
    }

    /** Whether the address says that the connection is encrypted. */
    boolean tls() {
        return scheme.equals("https://");
    }

    /** Whether host and port stand alone. */
    boolean bare() {
        return scheme.isEmpty();
    }

    /** Whether a host is this machine. Only what is an address already is looked at, so that no name is asked for. */
    private static boolean isLoopback(String host) {
        if (host.equalsIgnoreCase("localhost")) {
            return true;
        }
        if (!host.startsWith("[") && !host.matches("[0-9]+(\\.[0-9]+){3}")) {
            return false;
        }
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException wrong) {
            return false;
        }
    }

    private static IllegalArgumentException refused(String text) {
        return new IllegalArgumentException(
                "\""
                        + text
                        + "\" is not an address: use host:port, http://host:port, https://host:port or unix:/path");
    }
}
