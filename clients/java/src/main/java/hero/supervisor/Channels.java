package hero.supervisor;

import io.grpc.ChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioDomainSocketChannel;
import java.net.UnixDomainSocketAddress;
import java.time.Duration;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;

/** Makes the channel to an address. */
final class Channels {
    /** The server answers pings that are no faster than this. */
    private static final Duration KEEPALIVE_TIME = Duration.ofSeconds(60);

    private static final Duration KEEPALIVE_TIMEOUT = Duration.ofSeconds(20);

    private Channels() {}

    /** What is to be closed, and what it runs on when that is of its own. */
    record Made(ManagedChannel channel, EventLoopGroup loop) {
        /** Ends what the channel runs on, after the channel. */
        void release() {
            if (loop != null) {
                loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
            }
        }
    }

    static Made to(Address address, ChannelCredentials credentials, ThreadFactory threads) {
        EventLoopGroup loop = null;
        NettyChannelBuilder builder;
        if (address.socket() == null) {
            builder = NettyChannelBuilder.forTarget(address.target(), credentials);
        } else {
            // The JDK's own sockets, which need no native code; gRPC's default loop may be one that cannot hold them.
            loop = new MultiThreadIoEventLoopGroup(1, threads, NioIoHandler.newFactory());
            builder =
                    NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(address.socket()), credentials)
                            .channelType(NioDomainSocketChannel.class, UnixDomainSocketAddress.class)
                            .eventLoopGroup(loop)
                            // gRPC sets it for every channel, and Netty warns of it for those that have no such thing.
                            .withOption(ChannelOption.SO_KEEPALIVE, null)
                            .overrideAuthority("localhost");
        }
        ManagedChannel channel =
                builder.userAgent("hero-supervisor-java/" + SupervisorClient.VERSION)
                        .keepAliveTime(KEEPALIVE_TIME.toMillis(), TimeUnit.MILLISECONDS)
                        .keepAliveTimeout(KEEPALIVE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)
                        .build();
        return new Made(channel, loop);
    }
}
