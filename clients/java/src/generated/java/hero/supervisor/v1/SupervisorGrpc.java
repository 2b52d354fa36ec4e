package hero.supervisor.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Keeps script actors alive and gives them jobs.
 * Errors: every error carries a machine-readable reason; see ErrorReason. A failed job is not an error of a call.
 * Sizes: requests and responses have at most 4 MiB, the default limit of gRPC clients. A page that would be larger
 * ends early. Every accepted job and definition can be read back in full.
 * Repeats: to start a running actor, to stop a stopped one and to cancel a finished job is OK; the response has
 * `changed: false`. SubmitJob, SubmitJobs and RunJob take a `request_id`, which makes a repeat harmless.
 * Causes: the events of a call carry its `reason` and the value of its metadata `x-request-id`. The value has at most
 * 128 visible ASCII characters; any other value is ignored.
 * Waits: a call with `max_wait` ends in OK when its condition is met (WAIT_OUTCOME_DONE) or when the wait is over
 * (WAIT_OUTCOME_TIMED_OUT). The wait is the shortest of three times: max_wait; the time left of the call's deadline,
 * less a margin of 10 % (50 ms to 1 s); and 10 minutes. Without max_wait and without a deadline the wait is 60
 * seconds. A max_wait of 0 checks the condition once. Started work continues after the wait.
 * Machines: every supervisor answers every call. A change of an actor that belongs to another machine, a check of its
 * health and a read of its log are passed on to the supervisor there. If that one does not take the call within three
 * seconds, the call ends in NODE_UNAVAILABLE and has had no effect.
 * Capabilities: a call that the server does not have ends in UNIMPLEMENTED. GetServerInfo lists the calls that work.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class SupervisorGrpc {

  private SupervisorGrpc() {}

  public static final java.lang.String SERVICE_NAME = "hero.supervisor.v1.Supervisor";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.GetServerInfoRequest,
      hero.supervisor.v1.GetServerInfoResponse> getGetServerInfoMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetServerInfo",
      requestType = hero.supervisor.v1.GetServerInfoRequest.class,
      responseType = hero.supervisor.v1.GetServerInfoResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.GetServerInfoRequest,
      hero.supervisor.v1.GetServerInfoResponse> getGetServerInfoMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.GetServerInfoRequest, hero.supervisor.v1.GetServerInfoResponse> getGetServerInfoMethod;
    if ((getGetServerInfoMethod = SupervisorGrpc.getGetServerInfoMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getGetServerInfoMethod = SupervisorGrpc.getGetServerInfoMethod) == null) {
          SupervisorGrpc.getGetServerInfoMethod = getGetServerInfoMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.GetServerInfoRequest, hero.supervisor.v1.GetServerInfoResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetServerInfo"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetServerInfoRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetServerInfoResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("GetServerInfo"))
              .build();
        }
      }
    }
    return getGetServerInfoMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.CreateLoginCodeRequest,
      hero.supervisor.v1.CreateLoginCodeResponse> getCreateLoginCodeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateLoginCode",
      requestType = hero.supervisor.v1.CreateLoginCodeRequest.class,
      responseType = hero.supervisor.v1.CreateLoginCodeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.CreateLoginCodeRequest,
      hero.supervisor.v1.CreateLoginCodeResponse> getCreateLoginCodeMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.CreateLoginCodeRequest, hero.supervisor.v1.CreateLoginCodeResponse> getCreateLoginCodeMethod;
    if ((getCreateLoginCodeMethod = SupervisorGrpc.getCreateLoginCodeMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getCreateLoginCodeMethod = SupervisorGrpc.getCreateLoginCodeMethod) == null) {
          SupervisorGrpc.getCreateLoginCodeMethod = getCreateLoginCodeMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.CreateLoginCodeRequest, hero.supervisor.v1.CreateLoginCodeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateLoginCode"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CreateLoginCodeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CreateLoginCodeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("CreateLoginCode"))
              .build();
        }
      }
    }
    return getCreateLoginCodeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.CreateActorRequest,
      hero.supervisor.v1.CreateActorResponse> getCreateActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateActor",
      requestType = hero.supervisor.v1.CreateActorRequest.class,
      responseType = hero.supervisor.v1.CreateActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.CreateActorRequest,
      hero.supervisor.v1.CreateActorResponse> getCreateActorMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.CreateActorRequest, hero.supervisor.v1.CreateActorResponse> getCreateActorMethod;
    if ((getCreateActorMethod = SupervisorGrpc.getCreateActorMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getCreateActorMethod = SupervisorGrpc.getCreateActorMethod) == null) {
          SupervisorGrpc.getCreateActorMethod = getCreateActorMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.CreateActorRequest, hero.supervisor.v1.CreateActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CreateActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CreateActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("CreateActor"))
              .build();
        }
      }
    }
    return getCreateActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.GetActorRequest,
      hero.supervisor.v1.GetActorResponse> getGetActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetActor",
      requestType = hero.supervisor.v1.GetActorRequest.class,
      responseType = hero.supervisor.v1.GetActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.GetActorRequest,
      hero.supervisor.v1.GetActorResponse> getGetActorMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.GetActorRequest, hero.supervisor.v1.GetActorResponse> getGetActorMethod;
    if ((getGetActorMethod = SupervisorGrpc.getGetActorMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getGetActorMethod = SupervisorGrpc.getGetActorMethod) == null) {
          SupervisorGrpc.getGetActorMethod = getGetActorMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.GetActorRequest, hero.supervisor.v1.GetActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("GetActor"))
              .build();
        }
      }
    }
    return getGetActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListActorsRequest,
      hero.supervisor.v1.ListActorsResponse> getListActorsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListActors",
      requestType = hero.supervisor.v1.ListActorsRequest.class,
      responseType = hero.supervisor.v1.ListActorsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListActorsRequest,
      hero.supervisor.v1.ListActorsResponse> getListActorsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListActorsRequest, hero.supervisor.v1.ListActorsResponse> getListActorsMethod;
    if ((getListActorsMethod = SupervisorGrpc.getListActorsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListActorsMethod = SupervisorGrpc.getListActorsMethod) == null) {
          SupervisorGrpc.getListActorsMethod = getListActorsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListActorsRequest, hero.supervisor.v1.ListActorsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListActors"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListActorsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListActorsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListActors"))
              .build();
        }
      }
    }
    return getListActorsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateActorRequest,
      hero.supervisor.v1.UpdateActorResponse> getUpdateActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateActor",
      requestType = hero.supervisor.v1.UpdateActorRequest.class,
      responseType = hero.supervisor.v1.UpdateActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateActorRequest,
      hero.supervisor.v1.UpdateActorResponse> getUpdateActorMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateActorRequest, hero.supervisor.v1.UpdateActorResponse> getUpdateActorMethod;
    if ((getUpdateActorMethod = SupervisorGrpc.getUpdateActorMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getUpdateActorMethod = SupervisorGrpc.getUpdateActorMethod) == null) {
          SupervisorGrpc.getUpdateActorMethod = getUpdateActorMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.UpdateActorRequest, hero.supervisor.v1.UpdateActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("UpdateActor"))
              .build();
        }
      }
    }
    return getUpdateActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteActorRequest,
      hero.supervisor.v1.DeleteActorResponse> getDeleteActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteActor",
      requestType = hero.supervisor.v1.DeleteActorRequest.class,
      responseType = hero.supervisor.v1.DeleteActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteActorRequest,
      hero.supervisor.v1.DeleteActorResponse> getDeleteActorMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteActorRequest, hero.supervisor.v1.DeleteActorResponse> getDeleteActorMethod;
    if ((getDeleteActorMethod = SupervisorGrpc.getDeleteActorMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getDeleteActorMethod = SupervisorGrpc.getDeleteActorMethod) == null) {
          SupervisorGrpc.getDeleteActorMethod = getDeleteActorMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.DeleteActorRequest, hero.supervisor.v1.DeleteActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.DeleteActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.DeleteActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("DeleteActor"))
              .build();
        }
      }
    }
    return getDeleteActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.StartActorRequest,
      hero.supervisor.v1.StartActorResponse> getStartActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StartActor",
      requestType = hero.supervisor.v1.StartActorRequest.class,
      responseType = hero.supervisor.v1.StartActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.StartActorRequest,
      hero.supervisor.v1.StartActorResponse> getStartActorMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.StartActorRequest, hero.supervisor.v1.StartActorResponse> getStartActorMethod;
    if ((getStartActorMethod = SupervisorGrpc.getStartActorMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getStartActorMethod = SupervisorGrpc.getStartActorMethod) == null) {
          SupervisorGrpc.getStartActorMethod = getStartActorMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.StartActorRequest, hero.supervisor.v1.StartActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StartActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StartActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StartActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("StartActor"))
              .build();
        }
      }
    }
    return getStartActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.StopActorRequest,
      hero.supervisor.v1.StopActorResponse> getStopActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StopActor",
      requestType = hero.supervisor.v1.StopActorRequest.class,
      responseType = hero.supervisor.v1.StopActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.StopActorRequest,
      hero.supervisor.v1.StopActorResponse> getStopActorMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.StopActorRequest, hero.supervisor.v1.StopActorResponse> getStopActorMethod;
    if ((getStopActorMethod = SupervisorGrpc.getStopActorMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getStopActorMethod = SupervisorGrpc.getStopActorMethod) == null) {
          SupervisorGrpc.getStopActorMethod = getStopActorMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.StopActorRequest, hero.supervisor.v1.StopActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StopActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StopActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StopActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("StopActor"))
              .build();
        }
      }
    }
    return getStopActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.RestartActorRequest,
      hero.supervisor.v1.RestartActorResponse> getRestartActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RestartActor",
      requestType = hero.supervisor.v1.RestartActorRequest.class,
      responseType = hero.supervisor.v1.RestartActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.RestartActorRequest,
      hero.supervisor.v1.RestartActorResponse> getRestartActorMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.RestartActorRequest, hero.supervisor.v1.RestartActorResponse> getRestartActorMethod;
    if ((getRestartActorMethod = SupervisorGrpc.getRestartActorMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getRestartActorMethod = SupervisorGrpc.getRestartActorMethod) == null) {
          SupervisorGrpc.getRestartActorMethod = getRestartActorMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.RestartActorRequest, hero.supervisor.v1.RestartActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RestartActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RestartActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RestartActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("RestartActor"))
              .build();
        }
      }
    }
    return getRestartActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.StartActorsRequest,
      hero.supervisor.v1.StartActorsResponse> getStartActorsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StartActors",
      requestType = hero.supervisor.v1.StartActorsRequest.class,
      responseType = hero.supervisor.v1.StartActorsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.StartActorsRequest,
      hero.supervisor.v1.StartActorsResponse> getStartActorsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.StartActorsRequest, hero.supervisor.v1.StartActorsResponse> getStartActorsMethod;
    if ((getStartActorsMethod = SupervisorGrpc.getStartActorsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getStartActorsMethod = SupervisorGrpc.getStartActorsMethod) == null) {
          SupervisorGrpc.getStartActorsMethod = getStartActorsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.StartActorsRequest, hero.supervisor.v1.StartActorsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StartActors"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StartActorsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StartActorsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("StartActors"))
              .build();
        }
      }
    }
    return getStartActorsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.StopActorsRequest,
      hero.supervisor.v1.StopActorsResponse> getStopActorsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StopActors",
      requestType = hero.supervisor.v1.StopActorsRequest.class,
      responseType = hero.supervisor.v1.StopActorsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.StopActorsRequest,
      hero.supervisor.v1.StopActorsResponse> getStopActorsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.StopActorsRequest, hero.supervisor.v1.StopActorsResponse> getStopActorsMethod;
    if ((getStopActorsMethod = SupervisorGrpc.getStopActorsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getStopActorsMethod = SupervisorGrpc.getStopActorsMethod) == null) {
          SupervisorGrpc.getStopActorsMethod = getStopActorsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.StopActorsRequest, hero.supervisor.v1.StopActorsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StopActors"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StopActorsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StopActorsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("StopActors"))
              .build();
        }
      }
    }
    return getStopActorsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.RestartActorsRequest,
      hero.supervisor.v1.RestartActorsResponse> getRestartActorsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RestartActors",
      requestType = hero.supervisor.v1.RestartActorsRequest.class,
      responseType = hero.supervisor.v1.RestartActorsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.RestartActorsRequest,
      hero.supervisor.v1.RestartActorsResponse> getRestartActorsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.RestartActorsRequest, hero.supervisor.v1.RestartActorsResponse> getRestartActorsMethod;
    if ((getRestartActorsMethod = SupervisorGrpc.getRestartActorsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getRestartActorsMethod = SupervisorGrpc.getRestartActorsMethod) == null) {
          SupervisorGrpc.getRestartActorsMethod = getRestartActorsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.RestartActorsRequest, hero.supervisor.v1.RestartActorsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RestartActors"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RestartActorsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RestartActorsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("RestartActors"))
              .build();
        }
      }
    }
    return getRestartActorsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.StreamActorLogsRequest,
      hero.supervisor.v1.StreamActorLogsResponse> getStreamActorLogsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StreamActorLogs",
      requestType = hero.supervisor.v1.StreamActorLogsRequest.class,
      responseType = hero.supervisor.v1.StreamActorLogsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.StreamActorLogsRequest,
      hero.supervisor.v1.StreamActorLogsResponse> getStreamActorLogsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.StreamActorLogsRequest, hero.supervisor.v1.StreamActorLogsResponse> getStreamActorLogsMethod;
    if ((getStreamActorLogsMethod = SupervisorGrpc.getStreamActorLogsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getStreamActorLogsMethod = SupervisorGrpc.getStreamActorLogsMethod) == null) {
          SupervisorGrpc.getStreamActorLogsMethod = getStreamActorLogsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.StreamActorLogsRequest, hero.supervisor.v1.StreamActorLogsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StreamActorLogs"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StreamActorLogsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.StreamActorLogsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("StreamActorLogs"))
              .build();
        }
      }
    }
    return getStreamActorLogsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListNodesRequest,
      hero.supervisor.v1.ListNodesResponse> getListNodesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListNodes",
      requestType = hero.supervisor.v1.ListNodesRequest.class,
      responseType = hero.supervisor.v1.ListNodesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListNodesRequest,
      hero.supervisor.v1.ListNodesResponse> getListNodesMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListNodesRequest, hero.supervisor.v1.ListNodesResponse> getListNodesMethod;
    if ((getListNodesMethod = SupervisorGrpc.getListNodesMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListNodesMethod = SupervisorGrpc.getListNodesMethod) == null) {
          SupervisorGrpc.getListNodesMethod = getListNodesMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListNodesRequest, hero.supervisor.v1.ListNodesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListNodes"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListNodesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListNodesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListNodes"))
              .build();
        }
      }
    }
    return getListNodesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListScriptTypesRequest,
      hero.supervisor.v1.ListScriptTypesResponse> getListScriptTypesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListScriptTypes",
      requestType = hero.supervisor.v1.ListScriptTypesRequest.class,
      responseType = hero.supervisor.v1.ListScriptTypesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListScriptTypesRequest,
      hero.supervisor.v1.ListScriptTypesResponse> getListScriptTypesMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListScriptTypesRequest, hero.supervisor.v1.ListScriptTypesResponse> getListScriptTypesMethod;
    if ((getListScriptTypesMethod = SupervisorGrpc.getListScriptTypesMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListScriptTypesMethod = SupervisorGrpc.getListScriptTypesMethod) == null) {
          SupervisorGrpc.getListScriptTypesMethod = getListScriptTypesMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListScriptTypesRequest, hero.supervisor.v1.ListScriptTypesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListScriptTypes"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListScriptTypesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListScriptTypesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListScriptTypes"))
              .build();
        }
      }
    }
    return getListScriptTypesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.GetScriptTypeRequest,
      hero.supervisor.v1.GetScriptTypeResponse> getGetScriptTypeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetScriptType",
      requestType = hero.supervisor.v1.GetScriptTypeRequest.class,
      responseType = hero.supervisor.v1.GetScriptTypeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.GetScriptTypeRequest,
      hero.supervisor.v1.GetScriptTypeResponse> getGetScriptTypeMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.GetScriptTypeRequest, hero.supervisor.v1.GetScriptTypeResponse> getGetScriptTypeMethod;
    if ((getGetScriptTypeMethod = SupervisorGrpc.getGetScriptTypeMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getGetScriptTypeMethod = SupervisorGrpc.getGetScriptTypeMethod) == null) {
          SupervisorGrpc.getGetScriptTypeMethod = getGetScriptTypeMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.GetScriptTypeRequest, hero.supervisor.v1.GetScriptTypeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetScriptType"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetScriptTypeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetScriptTypeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("GetScriptType"))
              .build();
        }
      }
    }
    return getGetScriptTypeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateScriptTypeRequest,
      hero.supervisor.v1.UpdateScriptTypeResponse> getUpdateScriptTypeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateScriptType",
      requestType = hero.supervisor.v1.UpdateScriptTypeRequest.class,
      responseType = hero.supervisor.v1.UpdateScriptTypeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateScriptTypeRequest,
      hero.supervisor.v1.UpdateScriptTypeResponse> getUpdateScriptTypeMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateScriptTypeRequest, hero.supervisor.v1.UpdateScriptTypeResponse> getUpdateScriptTypeMethod;
    if ((getUpdateScriptTypeMethod = SupervisorGrpc.getUpdateScriptTypeMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getUpdateScriptTypeMethod = SupervisorGrpc.getUpdateScriptTypeMethod) == null) {
          SupervisorGrpc.getUpdateScriptTypeMethod = getUpdateScriptTypeMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.UpdateScriptTypeRequest, hero.supervisor.v1.UpdateScriptTypeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateScriptType"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateScriptTypeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateScriptTypeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("UpdateScriptType"))
              .build();
        }
      }
    }
    return getUpdateScriptTypeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ScaleActorsRequest,
      hero.supervisor.v1.ScaleActorsResponse> getScaleActorsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ScaleActors",
      requestType = hero.supervisor.v1.ScaleActorsRequest.class,
      responseType = hero.supervisor.v1.ScaleActorsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ScaleActorsRequest,
      hero.supervisor.v1.ScaleActorsResponse> getScaleActorsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ScaleActorsRequest, hero.supervisor.v1.ScaleActorsResponse> getScaleActorsMethod;
    if ((getScaleActorsMethod = SupervisorGrpc.getScaleActorsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getScaleActorsMethod = SupervisorGrpc.getScaleActorsMethod) == null) {
          SupervisorGrpc.getScaleActorsMethod = getScaleActorsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ScaleActorsRequest, hero.supervisor.v1.ScaleActorsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ScaleActors"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ScaleActorsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ScaleActorsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ScaleActors"))
              .build();
        }
      }
    }
    return getScaleActorsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.PauseQueueRequest,
      hero.supervisor.v1.PauseQueueResponse> getPauseQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PauseQueue",
      requestType = hero.supervisor.v1.PauseQueueRequest.class,
      responseType = hero.supervisor.v1.PauseQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.PauseQueueRequest,
      hero.supervisor.v1.PauseQueueResponse> getPauseQueueMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.PauseQueueRequest, hero.supervisor.v1.PauseQueueResponse> getPauseQueueMethod;
    if ((getPauseQueueMethod = SupervisorGrpc.getPauseQueueMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getPauseQueueMethod = SupervisorGrpc.getPauseQueueMethod) == null) {
          SupervisorGrpc.getPauseQueueMethod = getPauseQueueMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.PauseQueueRequest, hero.supervisor.v1.PauseQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PauseQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.PauseQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.PauseQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("PauseQueue"))
              .build();
        }
      }
    }
    return getPauseQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ResumeQueueRequest,
      hero.supervisor.v1.ResumeQueueResponse> getResumeQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ResumeQueue",
      requestType = hero.supervisor.v1.ResumeQueueRequest.class,
      responseType = hero.supervisor.v1.ResumeQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ResumeQueueRequest,
      hero.supervisor.v1.ResumeQueueResponse> getResumeQueueMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ResumeQueueRequest, hero.supervisor.v1.ResumeQueueResponse> getResumeQueueMethod;
    if ((getResumeQueueMethod = SupervisorGrpc.getResumeQueueMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getResumeQueueMethod = SupervisorGrpc.getResumeQueueMethod) == null) {
          SupervisorGrpc.getResumeQueueMethod = getResumeQueueMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ResumeQueueRequest, hero.supervisor.v1.ResumeQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ResumeQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ResumeQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ResumeQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ResumeQueue"))
              .build();
        }
      }
    }
    return getResumeQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.PurgeQueueRequest,
      hero.supervisor.v1.PurgeQueueResponse> getPurgeQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PurgeQueue",
      requestType = hero.supervisor.v1.PurgeQueueRequest.class,
      responseType = hero.supervisor.v1.PurgeQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.PurgeQueueRequest,
      hero.supervisor.v1.PurgeQueueResponse> getPurgeQueueMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.PurgeQueueRequest, hero.supervisor.v1.PurgeQueueResponse> getPurgeQueueMethod;
    if ((getPurgeQueueMethod = SupervisorGrpc.getPurgeQueueMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getPurgeQueueMethod = SupervisorGrpc.getPurgeQueueMethod) == null) {
          SupervisorGrpc.getPurgeQueueMethod = getPurgeQueueMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.PurgeQueueRequest, hero.supervisor.v1.PurgeQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PurgeQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.PurgeQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.PurgeQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("PurgeQueue"))
              .build();
        }
      }
    }
    return getPurgeQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.CreateQueueRequest,
      hero.supervisor.v1.CreateQueueResponse> getCreateQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateQueue",
      requestType = hero.supervisor.v1.CreateQueueRequest.class,
      responseType = hero.supervisor.v1.CreateQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.CreateQueueRequest,
      hero.supervisor.v1.CreateQueueResponse> getCreateQueueMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.CreateQueueRequest, hero.supervisor.v1.CreateQueueResponse> getCreateQueueMethod;
    if ((getCreateQueueMethod = SupervisorGrpc.getCreateQueueMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getCreateQueueMethod = SupervisorGrpc.getCreateQueueMethod) == null) {
          SupervisorGrpc.getCreateQueueMethod = getCreateQueueMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.CreateQueueRequest, hero.supervisor.v1.CreateQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CreateQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CreateQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("CreateQueue"))
              .build();
        }
      }
    }
    return getCreateQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.GetQueueRequest,
      hero.supervisor.v1.GetQueueResponse> getGetQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetQueue",
      requestType = hero.supervisor.v1.GetQueueRequest.class,
      responseType = hero.supervisor.v1.GetQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.GetQueueRequest,
      hero.supervisor.v1.GetQueueResponse> getGetQueueMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.GetQueueRequest, hero.supervisor.v1.GetQueueResponse> getGetQueueMethod;
    if ((getGetQueueMethod = SupervisorGrpc.getGetQueueMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getGetQueueMethod = SupervisorGrpc.getGetQueueMethod) == null) {
          SupervisorGrpc.getGetQueueMethod = getGetQueueMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.GetQueueRequest, hero.supervisor.v1.GetQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("GetQueue"))
              .build();
        }
      }
    }
    return getGetQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateQueueRequest,
      hero.supervisor.v1.UpdateQueueResponse> getUpdateQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateQueue",
      requestType = hero.supervisor.v1.UpdateQueueRequest.class,
      responseType = hero.supervisor.v1.UpdateQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateQueueRequest,
      hero.supervisor.v1.UpdateQueueResponse> getUpdateQueueMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateQueueRequest, hero.supervisor.v1.UpdateQueueResponse> getUpdateQueueMethod;
    if ((getUpdateQueueMethod = SupervisorGrpc.getUpdateQueueMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getUpdateQueueMethod = SupervisorGrpc.getUpdateQueueMethod) == null) {
          SupervisorGrpc.getUpdateQueueMethod = getUpdateQueueMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.UpdateQueueRequest, hero.supervisor.v1.UpdateQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("UpdateQueue"))
              .build();
        }
      }
    }
    return getUpdateQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListQueuesRequest,
      hero.supervisor.v1.ListQueuesResponse> getListQueuesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListQueues",
      requestType = hero.supervisor.v1.ListQueuesRequest.class,
      responseType = hero.supervisor.v1.ListQueuesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListQueuesRequest,
      hero.supervisor.v1.ListQueuesResponse> getListQueuesMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListQueuesRequest, hero.supervisor.v1.ListQueuesResponse> getListQueuesMethod;
    if ((getListQueuesMethod = SupervisorGrpc.getListQueuesMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListQueuesMethod = SupervisorGrpc.getListQueuesMethod) == null) {
          SupervisorGrpc.getListQueuesMethod = getListQueuesMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListQueuesRequest, hero.supervisor.v1.ListQueuesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListQueues"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListQueuesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListQueuesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListQueues"))
              .build();
        }
      }
    }
    return getListQueuesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteQueueRequest,
      hero.supervisor.v1.DeleteQueueResponse> getDeleteQueueMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteQueue",
      requestType = hero.supervisor.v1.DeleteQueueRequest.class,
      responseType = hero.supervisor.v1.DeleteQueueResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteQueueRequest,
      hero.supervisor.v1.DeleteQueueResponse> getDeleteQueueMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteQueueRequest, hero.supervisor.v1.DeleteQueueResponse> getDeleteQueueMethod;
    if ((getDeleteQueueMethod = SupervisorGrpc.getDeleteQueueMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getDeleteQueueMethod = SupervisorGrpc.getDeleteQueueMethod) == null) {
          SupervisorGrpc.getDeleteQueueMethod = getDeleteQueueMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.DeleteQueueRequest, hero.supervisor.v1.DeleteQueueResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteQueue"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.DeleteQueueRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.DeleteQueueResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("DeleteQueue"))
              .build();
        }
      }
    }
    return getDeleteQueueMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.CheckHealthRequest,
      hero.supervisor.v1.CheckHealthResponse> getCheckHealthMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CheckHealth",
      requestType = hero.supervisor.v1.CheckHealthRequest.class,
      responseType = hero.supervisor.v1.CheckHealthResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.CheckHealthRequest,
      hero.supervisor.v1.CheckHealthResponse> getCheckHealthMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.CheckHealthRequest, hero.supervisor.v1.CheckHealthResponse> getCheckHealthMethod;
    if ((getCheckHealthMethod = SupervisorGrpc.getCheckHealthMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getCheckHealthMethod = SupervisorGrpc.getCheckHealthMethod) == null) {
          SupervisorGrpc.getCheckHealthMethod = getCheckHealthMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.CheckHealthRequest, hero.supervisor.v1.CheckHealthResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CheckHealth"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CheckHealthRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CheckHealthResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("CheckHealth"))
              .build();
        }
      }
    }
    return getCheckHealthMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.WatchHealthRequest,
      hero.supervisor.v1.WatchHealthResponse> getWatchHealthMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchHealth",
      requestType = hero.supervisor.v1.WatchHealthRequest.class,
      responseType = hero.supervisor.v1.WatchHealthResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.WatchHealthRequest,
      hero.supervisor.v1.WatchHealthResponse> getWatchHealthMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.WatchHealthRequest, hero.supervisor.v1.WatchHealthResponse> getWatchHealthMethod;
    if ((getWatchHealthMethod = SupervisorGrpc.getWatchHealthMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getWatchHealthMethod = SupervisorGrpc.getWatchHealthMethod) == null) {
          SupervisorGrpc.getWatchHealthMethod = getWatchHealthMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.WatchHealthRequest, hero.supervisor.v1.WatchHealthResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchHealth"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.WatchHealthRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.WatchHealthResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("WatchHealth"))
              .build();
        }
      }
    }
    return getWatchHealthMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.SubmitJobRequest,
      hero.supervisor.v1.SubmitJobResponse> getSubmitJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SubmitJob",
      requestType = hero.supervisor.v1.SubmitJobRequest.class,
      responseType = hero.supervisor.v1.SubmitJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.SubmitJobRequest,
      hero.supervisor.v1.SubmitJobResponse> getSubmitJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.SubmitJobRequest, hero.supervisor.v1.SubmitJobResponse> getSubmitJobMethod;
    if ((getSubmitJobMethod = SupervisorGrpc.getSubmitJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getSubmitJobMethod = SupervisorGrpc.getSubmitJobMethod) == null) {
          SupervisorGrpc.getSubmitJobMethod = getSubmitJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.SubmitJobRequest, hero.supervisor.v1.SubmitJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SubmitJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.SubmitJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.SubmitJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("SubmitJob"))
              .build();
        }
      }
    }
    return getSubmitJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.SubmitJobsRequest,
      hero.supervisor.v1.SubmitJobsResponse> getSubmitJobsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SubmitJobs",
      requestType = hero.supervisor.v1.SubmitJobsRequest.class,
      responseType = hero.supervisor.v1.SubmitJobsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.SubmitJobsRequest,
      hero.supervisor.v1.SubmitJobsResponse> getSubmitJobsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.SubmitJobsRequest, hero.supervisor.v1.SubmitJobsResponse> getSubmitJobsMethod;
    if ((getSubmitJobsMethod = SupervisorGrpc.getSubmitJobsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getSubmitJobsMethod = SupervisorGrpc.getSubmitJobsMethod) == null) {
          SupervisorGrpc.getSubmitJobsMethod = getSubmitJobsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.SubmitJobsRequest, hero.supervisor.v1.SubmitJobsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SubmitJobs"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.SubmitJobsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.SubmitJobsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("SubmitJobs"))
              .build();
        }
      }
    }
    return getSubmitJobsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.RunJobRequest,
      hero.supervisor.v1.RunJobResponse> getRunJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RunJob",
      requestType = hero.supervisor.v1.RunJobRequest.class,
      responseType = hero.supervisor.v1.RunJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.RunJobRequest,
      hero.supervisor.v1.RunJobResponse> getRunJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.RunJobRequest, hero.supervisor.v1.RunJobResponse> getRunJobMethod;
    if ((getRunJobMethod = SupervisorGrpc.getRunJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getRunJobMethod = SupervisorGrpc.getRunJobMethod) == null) {
          SupervisorGrpc.getRunJobMethod = getRunJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.RunJobRequest, hero.supervisor.v1.RunJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RunJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RunJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RunJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("RunJob"))
              .build();
        }
      }
    }
    return getRunJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.AwaitJobRequest,
      hero.supervisor.v1.AwaitJobResponse> getAwaitJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AwaitJob",
      requestType = hero.supervisor.v1.AwaitJobRequest.class,
      responseType = hero.supervisor.v1.AwaitJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.AwaitJobRequest,
      hero.supervisor.v1.AwaitJobResponse> getAwaitJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.AwaitJobRequest, hero.supervisor.v1.AwaitJobResponse> getAwaitJobMethod;
    if ((getAwaitJobMethod = SupervisorGrpc.getAwaitJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getAwaitJobMethod = SupervisorGrpc.getAwaitJobMethod) == null) {
          SupervisorGrpc.getAwaitJobMethod = getAwaitJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.AwaitJobRequest, hero.supervisor.v1.AwaitJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AwaitJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.AwaitJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.AwaitJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("AwaitJob"))
              .build();
        }
      }
    }
    return getAwaitJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.GetJobRequest,
      hero.supervisor.v1.GetJobResponse> getGetJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetJob",
      requestType = hero.supervisor.v1.GetJobRequest.class,
      responseType = hero.supervisor.v1.GetJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.GetJobRequest,
      hero.supervisor.v1.GetJobResponse> getGetJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.GetJobRequest, hero.supervisor.v1.GetJobResponse> getGetJobMethod;
    if ((getGetJobMethod = SupervisorGrpc.getGetJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getGetJobMethod = SupervisorGrpc.getGetJobMethod) == null) {
          SupervisorGrpc.getGetJobMethod = getGetJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.GetJobRequest, hero.supervisor.v1.GetJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.GetJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("GetJob"))
              .build();
        }
      }
    }
    return getGetJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListJobsRequest,
      hero.supervisor.v1.ListJobsResponse> getListJobsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListJobs",
      requestType = hero.supervisor.v1.ListJobsRequest.class,
      responseType = hero.supervisor.v1.ListJobsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListJobsRequest,
      hero.supervisor.v1.ListJobsResponse> getListJobsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListJobsRequest, hero.supervisor.v1.ListJobsResponse> getListJobsMethod;
    if ((getListJobsMethod = SupervisorGrpc.getListJobsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListJobsMethod = SupervisorGrpc.getListJobsMethod) == null) {
          SupervisorGrpc.getListJobsMethod = getListJobsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListJobsRequest, hero.supervisor.v1.ListJobsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListJobs"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListJobsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListJobsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListJobs"))
              .build();
        }
      }
    }
    return getListJobsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ExplainJobRequest,
      hero.supervisor.v1.ExplainJobResponse> getExplainJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExplainJob",
      requestType = hero.supervisor.v1.ExplainJobRequest.class,
      responseType = hero.supervisor.v1.ExplainJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ExplainJobRequest,
      hero.supervisor.v1.ExplainJobResponse> getExplainJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ExplainJobRequest, hero.supervisor.v1.ExplainJobResponse> getExplainJobMethod;
    if ((getExplainJobMethod = SupervisorGrpc.getExplainJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getExplainJobMethod = SupervisorGrpc.getExplainJobMethod) == null) {
          SupervisorGrpc.getExplainJobMethod = getExplainJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ExplainJobRequest, hero.supervisor.v1.ExplainJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExplainJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ExplainJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ExplainJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ExplainJob"))
              .build();
        }
      }
    }
    return getExplainJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.CancelJobRequest,
      hero.supervisor.v1.CancelJobResponse> getCancelJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CancelJob",
      requestType = hero.supervisor.v1.CancelJobRequest.class,
      responseType = hero.supervisor.v1.CancelJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.CancelJobRequest,
      hero.supervisor.v1.CancelJobResponse> getCancelJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.CancelJobRequest, hero.supervisor.v1.CancelJobResponse> getCancelJobMethod;
    if ((getCancelJobMethod = SupervisorGrpc.getCancelJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getCancelJobMethod = SupervisorGrpc.getCancelJobMethod) == null) {
          SupervisorGrpc.getCancelJobMethod = getCancelJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.CancelJobRequest, hero.supervisor.v1.CancelJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CancelJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CancelJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.CancelJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("CancelJob"))
              .build();
        }
      }
    }
    return getCancelJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateJobRequest,
      hero.supervisor.v1.UpdateJobResponse> getUpdateJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateJob",
      requestType = hero.supervisor.v1.UpdateJobRequest.class,
      responseType = hero.supervisor.v1.UpdateJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateJobRequest,
      hero.supervisor.v1.UpdateJobResponse> getUpdateJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.UpdateJobRequest, hero.supervisor.v1.UpdateJobResponse> getUpdateJobMethod;
    if ((getUpdateJobMethod = SupervisorGrpc.getUpdateJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getUpdateJobMethod = SupervisorGrpc.getUpdateJobMethod) == null) {
          SupervisorGrpc.getUpdateJobMethod = getUpdateJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.UpdateJobRequest, hero.supervisor.v1.UpdateJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.UpdateJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("UpdateJob"))
              .build();
        }
      }
    }
    return getUpdateJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.RetryJobRequest,
      hero.supervisor.v1.RetryJobResponse> getRetryJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RetryJob",
      requestType = hero.supervisor.v1.RetryJobRequest.class,
      responseType = hero.supervisor.v1.RetryJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.RetryJobRequest,
      hero.supervisor.v1.RetryJobResponse> getRetryJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.RetryJobRequest, hero.supervisor.v1.RetryJobResponse> getRetryJobMethod;
    if ((getRetryJobMethod = SupervisorGrpc.getRetryJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getRetryJobMethod = SupervisorGrpc.getRetryJobMethod) == null) {
          SupervisorGrpc.getRetryJobMethod = getRetryJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.RetryJobRequest, hero.supervisor.v1.RetryJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RetryJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RetryJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.RetryJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("RetryJob"))
              .build();
        }
      }
    }
    return getRetryJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteJobRequest,
      hero.supervisor.v1.DeleteJobResponse> getDeleteJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteJob",
      requestType = hero.supervisor.v1.DeleteJobRequest.class,
      responseType = hero.supervisor.v1.DeleteJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteJobRequest,
      hero.supervisor.v1.DeleteJobResponse> getDeleteJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.DeleteJobRequest, hero.supervisor.v1.DeleteJobResponse> getDeleteJobMethod;
    if ((getDeleteJobMethod = SupervisorGrpc.getDeleteJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getDeleteJobMethod = SupervisorGrpc.getDeleteJobMethod) == null) {
          SupervisorGrpc.getDeleteJobMethod = getDeleteJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.DeleteJobRequest, hero.supervisor.v1.DeleteJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.DeleteJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.DeleteJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("DeleteJob"))
              .build();
        }
      }
    }
    return getDeleteJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.WatchJobRequest,
      hero.supervisor.v1.WatchJobResponse> getWatchJobMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchJob",
      requestType = hero.supervisor.v1.WatchJobRequest.class,
      responseType = hero.supervisor.v1.WatchJobResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.WatchJobRequest,
      hero.supervisor.v1.WatchJobResponse> getWatchJobMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.WatchJobRequest, hero.supervisor.v1.WatchJobResponse> getWatchJobMethod;
    if ((getWatchJobMethod = SupervisorGrpc.getWatchJobMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getWatchJobMethod = SupervisorGrpc.getWatchJobMethod) == null) {
          SupervisorGrpc.getWatchJobMethod = getWatchJobMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.WatchJobRequest, hero.supervisor.v1.WatchJobResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchJob"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.WatchJobRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.WatchJobResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("WatchJob"))
              .build();
        }
      }
    }
    return getWatchJobMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.WatchEventsRequest,
      hero.supervisor.v1.WatchEventsResponse> getWatchEventsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchEvents",
      requestType = hero.supervisor.v1.WatchEventsRequest.class,
      responseType = hero.supervisor.v1.WatchEventsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.WatchEventsRequest,
      hero.supervisor.v1.WatchEventsResponse> getWatchEventsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.WatchEventsRequest, hero.supervisor.v1.WatchEventsResponse> getWatchEventsMethod;
    if ((getWatchEventsMethod = SupervisorGrpc.getWatchEventsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getWatchEventsMethod = SupervisorGrpc.getWatchEventsMethod) == null) {
          SupervisorGrpc.getWatchEventsMethod = getWatchEventsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.WatchEventsRequest, hero.supervisor.v1.WatchEventsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchEvents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.WatchEventsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.WatchEventsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("WatchEvents"))
              .build();
        }
      }
    }
    return getWatchEventsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListEventsRequest,
      hero.supervisor.v1.ListEventsResponse> getListEventsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListEvents",
      requestType = hero.supervisor.v1.ListEventsRequest.class,
      responseType = hero.supervisor.v1.ListEventsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListEventsRequest,
      hero.supervisor.v1.ListEventsResponse> getListEventsMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListEventsRequest, hero.supervisor.v1.ListEventsResponse> getListEventsMethod;
    if ((getListEventsMethod = SupervisorGrpc.getListEventsMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListEventsMethod = SupervisorGrpc.getListEventsMethod) == null) {
          SupervisorGrpc.getListEventsMethod = getListEventsMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListEventsRequest, hero.supervisor.v1.ListEventsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListEvents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListEventsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListEventsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListEvents"))
              .build();
        }
      }
    }
    return getListEventsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListIdentitiesRequest,
      hero.supervisor.v1.ListIdentitiesResponse> getListIdentitiesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListIdentities",
      requestType = hero.supervisor.v1.ListIdentitiesRequest.class,
      responseType = hero.supervisor.v1.ListIdentitiesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListIdentitiesRequest,
      hero.supervisor.v1.ListIdentitiesResponse> getListIdentitiesMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListIdentitiesRequest, hero.supervisor.v1.ListIdentitiesResponse> getListIdentitiesMethod;
    if ((getListIdentitiesMethod = SupervisorGrpc.getListIdentitiesMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListIdentitiesMethod = SupervisorGrpc.getListIdentitiesMethod) == null) {
          SupervisorGrpc.getListIdentitiesMethod = getListIdentitiesMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListIdentitiesRequest, hero.supervisor.v1.ListIdentitiesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListIdentities"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListIdentitiesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListIdentitiesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListIdentities"))
              .build();
        }
      }
    }
    return getListIdentitiesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<hero.supervisor.v1.ListAuditEntriesRequest,
      hero.supervisor.v1.ListAuditEntriesResponse> getListAuditEntriesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListAuditEntries",
      requestType = hero.supervisor.v1.ListAuditEntriesRequest.class,
      responseType = hero.supervisor.v1.ListAuditEntriesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<hero.supervisor.v1.ListAuditEntriesRequest,
      hero.supervisor.v1.ListAuditEntriesResponse> getListAuditEntriesMethod() {
    io.grpc.MethodDescriptor<hero.supervisor.v1.ListAuditEntriesRequest, hero.supervisor.v1.ListAuditEntriesResponse> getListAuditEntriesMethod;
    if ((getListAuditEntriesMethod = SupervisorGrpc.getListAuditEntriesMethod) == null) {
      synchronized (SupervisorGrpc.class) {
        if ((getListAuditEntriesMethod = SupervisorGrpc.getListAuditEntriesMethod) == null) {
          SupervisorGrpc.getListAuditEntriesMethod = getListAuditEntriesMethod =
              io.grpc.MethodDescriptor.<hero.supervisor.v1.ListAuditEntriesRequest, hero.supervisor.v1.ListAuditEntriesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListAuditEntries"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListAuditEntriesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  hero.supervisor.v1.ListAuditEntriesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SupervisorMethodDescriptorSupplier("ListAuditEntries"))
              .build();
        }
      }
    }
    return getListAuditEntriesMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static SupervisorStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SupervisorStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SupervisorStub>() {
        @java.lang.Override
        public SupervisorStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SupervisorStub(channel, callOptions);
        }
      };
    return SupervisorStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static SupervisorBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SupervisorBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SupervisorBlockingV2Stub>() {
        @java.lang.Override
        public SupervisorBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SupervisorBlockingV2Stub(channel, callOptions);
        }
      };
    return SupervisorBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static SupervisorBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SupervisorBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SupervisorBlockingStub>() {
        @java.lang.Override
        public SupervisorBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SupervisorBlockingStub(channel, callOptions);
        }
      };
    return SupervisorBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static SupervisorFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SupervisorFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SupervisorFutureStub>() {
        @java.lang.Override
        public SupervisorFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SupervisorFutureStub(channel, callOptions);
        }
      };
    return SupervisorFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Keeps script actors alive and gives them jobs.
   * Errors: every error carries a machine-readable reason; see ErrorReason. A failed job is not an error of a call.
   * Sizes: requests and responses have at most 4 MiB, the default limit of gRPC clients. A page that would be larger
   * ends early. Every accepted job and definition can be read back in full.
   * Repeats: to start a running actor, to stop a stopped one and to cancel a finished job is OK; the response has
   * `changed: false`. SubmitJob, SubmitJobs and RunJob take a `request_id`, which makes a repeat harmless.
   * Causes: the events of a call carry its `reason` and the value of its metadata `x-request-id`. The value has at most
   * 128 visible ASCII characters; any other value is ignored.
   * Waits: a call with `max_wait` ends in OK when its condition is met (WAIT_OUTCOME_DONE) or when the wait is over
   * (WAIT_OUTCOME_TIMED_OUT). The wait is the shortest of three times: max_wait; the time left of the call's deadline,
   * less a margin of 10 % (50 ms to 1 s); and 10 minutes. Without max_wait and without a deadline the wait is 60
   * seconds. A max_wait of 0 checks the condition once. Started work continues after the wait.
   * Machines: every supervisor answers every call. A change of an actor that belongs to another machine, a check of its
   * health and a read of its log are passed on to the supervisor there. If that one does not take the call within three
   * seconds, the call ends in NODE_UNAVAILABLE and has had no effect.
   * Capabilities: a call that the server does not have ends in UNIMPLEMENTED. GetServerInfo lists the calls that work.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Returns the identity of the server, its calls and limits, and the state of Redis and the process manager.
     * </pre>
     */
    default void getServerInfo(hero.supervisor.v1.GetServerInfoRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetServerInfoResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetServerInfoMethod(), responseObserver);
    }

    /**
     * <pre>
     * Makes a code that opens a session of the dashboard for the caller, once, within a minute. The session may do what the
     * caller may do, as long as the credentials of the caller hold, and 12 hours at most.
     * </pre>
     */
    default void createLoginCode(hero.supervisor.v1.CreateLoginCodeRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateLoginCodeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateLoginCodeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Creates an actor and, by default, starts it. A repeat with the same definition changes nothing.
     * </pre>
     */
    default void createActor(hero.supervisor.v1.CreateActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns one actor.
     * </pre>
     */
    default void getActor(hero.supervisor.v1.GetActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the actors of all machines, ordered by name.
     * </pre>
     */
    default void listActors(hero.supervisor.v1.ListActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListActorsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListActorsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes the definition of an actor.
     * </pre>
     */
    default void updateActor(hero.supervisor.v1.UpdateActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * Drains, stops and removes an actor.
     * </pre>
     */
    default void deleteActor(hero.supervisor.v1.DeleteActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * Starts an actor and waits until it is STATE_RUNNING.
     * </pre>
     */
    default void startActor(hero.supervisor.v1.StartActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StartActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStartActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stops an actor. The actor takes no new jobs, finishes its jobs within drain_timeout, and ends.
     * </pre>
     */
    default void stopActor(hero.supervisor.v1.StopActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StopActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStopActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stops an actor as StopActor does, and starts it again.
     * </pre>
     */
    default void restartActor(hero.supervisor.v1.RestartActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RestartActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRestartActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * Starts many actors concurrently, dependencies first. Each actor has a result of its own.
     * </pre>
     */
    default void startActors(hero.supervisor.v1.StartActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StartActorsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStartActorsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stops many actors concurrently. Each actor has a result of its own.
     * </pre>
     */
    default void stopActors(hero.supervisor.v1.StopActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StopActorsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStopActorsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Restarts many actors, all at once or a few at a time. Each actor has a result of its own.
     * </pre>
     */
    default void restartActors(hero.supervisor.v1.RestartActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RestartActorsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRestartActorsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns the log of an actor, and follows it if `follow` is set.
     * </pre>
     */
    default void streamActorLogs(hero.supervisor.v1.StreamActorLogsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StreamActorLogsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStreamActorLogsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the machines of the fleet, ordered by name: those whose supervisors were seen within a week, and those that
     * have actors.
     * </pre>
     */
    default void listNodes(hero.supervisor.v1.ListNodesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListNodesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListNodesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns every script type with its settings, its queue and its actors.
     * </pre>
     */
    default void listScriptTypes(hero.supervisor.v1.ListScriptTypesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListScriptTypesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListScriptTypesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns one script type with its settings, its queue and its actors.
     * </pre>
     */
    default void getScriptType(hero.supervisor.v1.GetScriptTypeRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetScriptTypeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetScriptTypeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes the settings of a script type.
     * </pre>
     */
    default void updateScriptType(hero.supervisor.v1.UpdateScriptTypeRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateScriptTypeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateScriptTypeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Creates or removes actors of a queue until this machine has `replicas` of them. New actors are created from
     * the template of the queue. Removed actors are drained before; the longest idle actor is removed first.
     * </pre>
     */
    default void scaleActors(hero.supervisor.v1.ScaleActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ScaleActorsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getScaleActorsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Pauses a queue: its actors get no new jobs. Jobs are still accepted, and running jobs finish.
     * </pre>
     */
    default void pauseQueue(hero.supervisor.v1.PauseQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.PauseQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPauseQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Resumes a queue: its actors get jobs again.
     * </pre>
     */
    default void resumeQueue(hero.supervisor.v1.ResumeQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ResumeQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getResumeQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Cancels waiting jobs of a queue.
     * </pre>
     */
    default void purgeQueue(hero.supervisor.v1.PurgeQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.PurgeQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPurgeQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Creates a queue beside the default queues of the script types. A repeat returns the queue that is there.
     * </pre>
     */
    default void createQueue(hero.supervisor.v1.CreateQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns a queue with the numbers of its jobs and actors.
     * </pre>
     */
    default void getQueue(hero.supervisor.v1.GetQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes the settings of a queue; those of a default queue are the settings of its script type.
     * </pre>
     */
    default void updateQueue(hero.supervisor.v1.UpdateQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists all queues by name.
     * </pre>
     */
    default void listQueues(hero.supervisor.v1.ListQueuesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListQueuesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListQueuesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Deletes a queue that has no unfinished jobs and no actors, with the records of its ended jobs.
     * </pre>
     */
    default void deleteQueue(hero.supervisor.v1.DeleteQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteQueueResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteQueueMethod(), responseObserver);
    }

    /**
     * <pre>
     * Pings actors at once and reports their health.
     * </pre>
     */
    default void checkHealth(hero.supervisor.v1.CheckHealthRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CheckHealthResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCheckHealthMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reports the health of actors, and every change of it.
     * </pre>
     */
    default void watchHealth(hero.supervisor.v1.WatchHealthRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchHealthResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchHealthMethod(), responseObserver);
    }

    /**
     * <pre>
     * Submits a job. After the response the job is stored in Redis.
     * </pre>
     */
    default void submitJob(hero.supervisor.v1.SubmitJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.SubmitJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSubmitJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Submits many jobs. Valid jobs are accepted even if others are refused.
     * </pre>
     */
    default void submitJobs(hero.supervisor.v1.SubmitJobsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.SubmitJobsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSubmitJobsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Submits a job and waits for its end. The job outlives the call: continue with AwaitJob if the wait ends first.
     * </pre>
     */
    default void runJob(hero.supervisor.v1.RunJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RunJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRunJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Waits for the end of a job that anybody has submitted.
     * </pre>
     */
    default void awaitJob(hero.supervisor.v1.AwaitJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.AwaitJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAwaitJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns one job.
     * </pre>
     */
    default void getJob(hero.supervisor.v1.GetJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists jobs, the newest first.
     * </pre>
     */
    default void listJobs(hero.supervisor.v1.ListJobsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListJobsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListJobsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Explains why a job does not run, and when it may: everything that holds it, its position, and an estimate.
     * </pre>
     */
    default void explainJob(hero.supervisor.v1.ExplainJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ExplainJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExplainJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Cancels a waiting or a running job. The script of a running job is killed.
     * </pre>
     */
    default void cancelJob(hero.supervisor.v1.CancelJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CancelJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCancelJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes a job that waits: its priority.
     * </pre>
     */
    default void updateJob(hero.supervisor.v1.UpdateJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Puts a failed or cancelled job into its queue once more, or runs an ended one again with another input.
     * </pre>
     */
    default void retryJob(hero.supervisor.v1.RetryJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RetryJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRetryJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Removes the record of a finished job.
     * </pre>
     */
    default void deleteJob(hero.supervisor.v1.DeleteJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Follows a job: its present state, its changes and log lines, and the job at its end.
     * </pre>
     */
    default void watchJob(hero.supervisor.v1.WatchJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchJobResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchJobMethod(), responseObserver);
    }

    /**
     * <pre>
     * Follows events: first a snapshot of the present state, then every event, in order and without gaps.
     * </pre>
     */
    default void watchEvents(hero.supervisor.v1.WatchEventsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchEventsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchEventsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists past events, the newest first.
     * </pre>
     */
    default void listEvents(hero.supervisor.v1.ListEventsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListEventsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListEventsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists who may call this server: tokens, rules for certificates and users, the identity provider. For admins.
     * </pre>
     */
    default void listIdentities(hero.supervisor.v1.ListIdentitiesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListIdentitiesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListIdentitiesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists lines of the audit log of this server, the newest first. For admins.
     * </pre>
     */
    default void listAuditEntries(hero.supervisor.v1.ListAuditEntriesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListAuditEntriesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListAuditEntriesMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service Supervisor.
   * <pre>
   * Keeps script actors alive and gives them jobs.
   * Errors: every error carries a machine-readable reason; see ErrorReason. A failed job is not an error of a call.
   * Sizes: requests and responses have at most 4 MiB, the default limit of gRPC clients. A page that would be larger
   * ends early. Every accepted job and definition can be read back in full.
   * Repeats: to start a running actor, to stop a stopped one and to cancel a finished job is OK; the response has
   * `changed: false`. SubmitJob, SubmitJobs and RunJob take a `request_id`, which makes a repeat harmless.
   * Causes: the events of a call carry its `reason` and the value of its metadata `x-request-id`. The value has at most
   * 128 visible ASCII characters; any other value is ignored.
   * Waits: a call with `max_wait` ends in OK when its condition is met (WAIT_OUTCOME_DONE) or when the wait is over
   * (WAIT_OUTCOME_TIMED_OUT). The wait is the shortest of three times: max_wait; the time left of the call's deadline,
   * less a margin of 10 % (50 ms to 1 s); and 10 minutes. Without max_wait and without a deadline the wait is 60
   * seconds. A max_wait of 0 checks the condition once. Started work continues after the wait.
   * Machines: every supervisor answers every call. A change of an actor that belongs to another machine, a check of its
   * health and a read of its log are passed on to the supervisor there. If that one does not take the call within three
   * seconds, the call ends in NODE_UNAVAILABLE and has had no effect.
   * Capabilities: a call that the server does not have ends in UNIMPLEMENTED. GetServerInfo lists the calls that work.
   * </pre>
   */
  public static abstract class SupervisorImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return SupervisorGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service Supervisor.
   * <pre>
   * Keeps script actors alive and gives them jobs.
   * Errors: every error carries a machine-readable reason; see ErrorReason. A failed job is not an error of a call.
   * Sizes: requests and responses have at most 4 MiB, the default limit of gRPC clients. A page that would be larger
   * ends early. Every accepted job and definition can be read back in full.
   * Repeats: to start a running actor, to stop a stopped one and to cancel a finished job is OK; the response has
   * `changed: false`. SubmitJob, SubmitJobs and RunJob take a `request_id`, which makes a repeat harmless.
   * Causes: the events of a call carry its `reason` and the value of its metadata `x-request-id`. The value has at most
   * 128 visible ASCII characters; any other value is ignored.
   * Waits: a call with `max_wait` ends in OK when its condition is met (WAIT_OUTCOME_DONE) or when the wait is over
   * (WAIT_OUTCOME_TIMED_OUT). The wait is the shortest of three times: max_wait; the time left of the call's deadline,
   * less a margin of 10 % (50 ms to 1 s); and 10 minutes. Without max_wait and without a deadline the wait is 60
   * seconds. A max_wait of 0 checks the condition once. Started work continues after the wait.
   * Machines: every supervisor answers every call. A change of an actor that belongs to another machine, a check of its
   * health and a read of its log are passed on to the supervisor there. If that one does not take the call within three
   * seconds, the call ends in NODE_UNAVAILABLE and has had no effect.
   * Capabilities: a call that the server does not have ends in UNIMPLEMENTED. GetServerInfo lists the calls that work.
   * </pre>
   */
  public static final class SupervisorStub
      extends io.grpc.stub.AbstractAsyncStub<SupervisorStub> {
    private SupervisorStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SupervisorStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SupervisorStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the identity of the server, its calls and limits, and the state of Redis and the process manager.
     * </pre>
     */
    public void getServerInfo(hero.supervisor.v1.GetServerInfoRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetServerInfoResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetServerInfoMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Makes a code that opens a session of the dashboard for the caller, once, within a minute. The session may do what the
     * caller may do, as long as the credentials of the caller hold, and 12 hours at most.
     * </pre>
     */
    public void createLoginCode(hero.supervisor.v1.CreateLoginCodeRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateLoginCodeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateLoginCodeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Creates an actor and, by default, starts it. A repeat with the same definition changes nothing.
     * </pre>
     */
    public void createActor(hero.supervisor.v1.CreateActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns one actor.
     * </pre>
     */
    public void getActor(hero.supervisor.v1.GetActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the actors of all machines, ordered by name.
     * </pre>
     */
    public void listActors(hero.supervisor.v1.ListActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListActorsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListActorsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes the definition of an actor.
     * </pre>
     */
    public void updateActor(hero.supervisor.v1.UpdateActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Drains, stops and removes an actor.
     * </pre>
     */
    public void deleteActor(hero.supervisor.v1.DeleteActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Starts an actor and waits until it is STATE_RUNNING.
     * </pre>
     */
    public void startActor(hero.supervisor.v1.StartActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StartActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStartActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stops an actor. The actor takes no new jobs, finishes its jobs within drain_timeout, and ends.
     * </pre>
     */
    public void stopActor(hero.supervisor.v1.StopActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StopActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStopActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stops an actor as StopActor does, and starts it again.
     * </pre>
     */
    public void restartActor(hero.supervisor.v1.RestartActorRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RestartActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRestartActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Starts many actors concurrently, dependencies first. Each actor has a result of its own.
     * </pre>
     */
    public void startActors(hero.supervisor.v1.StartActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StartActorsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStartActorsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stops many actors concurrently. Each actor has a result of its own.
     * </pre>
     */
    public void stopActors(hero.supervisor.v1.StopActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StopActorsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStopActorsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Restarts many actors, all at once or a few at a time. Each actor has a result of its own.
     * </pre>
     */
    public void restartActors(hero.supervisor.v1.RestartActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RestartActorsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRestartActorsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns the log of an actor, and follows it if `follow` is set.
     * </pre>
     */
    public void streamActorLogs(hero.supervisor.v1.StreamActorLogsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.StreamActorLogsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getStreamActorLogsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the machines of the fleet, ordered by name: those whose supervisors were seen within a week, and those that
     * have actors.
     * </pre>
     */
    public void listNodes(hero.supervisor.v1.ListNodesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListNodesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListNodesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns every script type with its settings, its queue and its actors.
     * </pre>
     */
    public void listScriptTypes(hero.supervisor.v1.ListScriptTypesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListScriptTypesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListScriptTypesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns one script type with its settings, its queue and its actors.
     * </pre>
     */
    public void getScriptType(hero.supervisor.v1.GetScriptTypeRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetScriptTypeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetScriptTypeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes the settings of a script type.
     * </pre>
     */
    public void updateScriptType(hero.supervisor.v1.UpdateScriptTypeRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateScriptTypeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateScriptTypeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Creates or removes actors of a queue until this machine has `replicas` of them. New actors are created from
     * the template of the queue. Removed actors are drained before; the longest idle actor is removed first.
     * </pre>
     */
    public void scaleActors(hero.supervisor.v1.ScaleActorsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ScaleActorsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getScaleActorsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Pauses a queue: its actors get no new jobs. Jobs are still accepted, and running jobs finish.
     * </pre>
     */
    public void pauseQueue(hero.supervisor.v1.PauseQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.PauseQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPauseQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Resumes a queue: its actors get jobs again.
     * </pre>
     */
    public void resumeQueue(hero.supervisor.v1.ResumeQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ResumeQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getResumeQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Cancels waiting jobs of a queue.
     * </pre>
     */
    public void purgeQueue(hero.supervisor.v1.PurgeQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.PurgeQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPurgeQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Creates a queue beside the default queues of the script types. A repeat returns the queue that is there.
     * </pre>
     */
    public void createQueue(hero.supervisor.v1.CreateQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns a queue with the numbers of its jobs and actors.
     * </pre>
     */
    public void getQueue(hero.supervisor.v1.GetQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes the settings of a queue; those of a default queue are the settings of its script type.
     * </pre>
     */
    public void updateQueue(hero.supervisor.v1.UpdateQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists all queues by name.
     * </pre>
     */
    public void listQueues(hero.supervisor.v1.ListQueuesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListQueuesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListQueuesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Deletes a queue that has no unfinished jobs and no actors, with the records of its ended jobs.
     * </pre>
     */
    public void deleteQueue(hero.supervisor.v1.DeleteQueueRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteQueueResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteQueueMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Pings actors at once and reports their health.
     * </pre>
     */
    public void checkHealth(hero.supervisor.v1.CheckHealthRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CheckHealthResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCheckHealthMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reports the health of actors, and every change of it.
     * </pre>
     */
    public void watchHealth(hero.supervisor.v1.WatchHealthRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchHealthResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchHealthMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Submits a job. After the response the job is stored in Redis.
     * </pre>
     */
    public void submitJob(hero.supervisor.v1.SubmitJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.SubmitJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSubmitJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Submits many jobs. Valid jobs are accepted even if others are refused.
     * </pre>
     */
    public void submitJobs(hero.supervisor.v1.SubmitJobsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.SubmitJobsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSubmitJobsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Submits a job and waits for its end. The job outlives the call: continue with AwaitJob if the wait ends first.
     * </pre>
     */
    public void runJob(hero.supervisor.v1.RunJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RunJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRunJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Waits for the end of a job that anybody has submitted.
     * </pre>
     */
    public void awaitJob(hero.supervisor.v1.AwaitJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.AwaitJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAwaitJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns one job.
     * </pre>
     */
    public void getJob(hero.supervisor.v1.GetJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.GetJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists jobs, the newest first.
     * </pre>
     */
    public void listJobs(hero.supervisor.v1.ListJobsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListJobsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListJobsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Explains why a job does not run, and when it may: everything that holds it, its position, and an estimate.
     * </pre>
     */
    public void explainJob(hero.supervisor.v1.ExplainJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ExplainJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExplainJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Cancels a waiting or a running job. The script of a running job is killed.
     * </pre>
     */
    public void cancelJob(hero.supervisor.v1.CancelJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.CancelJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCancelJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes a job that waits: its priority.
     * </pre>
     */
    public void updateJob(hero.supervisor.v1.UpdateJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Puts a failed or cancelled job into its queue once more, or runs an ended one again with another input.
     * </pre>
     */
    public void retryJob(hero.supervisor.v1.RetryJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.RetryJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRetryJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Removes the record of a finished job.
     * </pre>
     */
    public void deleteJob(hero.supervisor.v1.DeleteJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Follows a job: its present state, its changes and log lines, and the job at its end.
     * </pre>
     */
    public void watchJob(hero.supervisor.v1.WatchJobRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchJobResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchJobMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Follows events: first a snapshot of the present state, then every event, in order and without gaps.
     * </pre>
     */
    public void watchEvents(hero.supervisor.v1.WatchEventsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchEventsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchEventsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists past events, the newest first.
     * </pre>
     */
    public void listEvents(hero.supervisor.v1.ListEventsRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListEventsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListEventsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists who may call this server: tokens, rules for certificates and users, the identity provider. For admins.
     * </pre>
     */
    public void listIdentities(hero.supervisor.v1.ListIdentitiesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListIdentitiesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListIdentitiesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists lines of the audit log of this server, the newest first. For admins.
     * </pre>
     */
    public void listAuditEntries(hero.supervisor.v1.ListAuditEntriesRequest request,
        io.grpc.stub.StreamObserver<hero.supervisor.v1.ListAuditEntriesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListAuditEntriesMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service Supervisor.
   * <pre>
   * Keeps script actors alive and gives them jobs.
   * Errors: every error carries a machine-readable reason; see ErrorReason. A failed job is not an error of a call.
   * Sizes: requests and responses have at most 4 MiB, the default limit of gRPC clients. A page that would be larger
   * ends early. Every accepted job and definition can be read back in full.
   * Repeats: to start a running actor, to stop a stopped one and to cancel a finished job is OK; the response has
   * `changed: false`. SubmitJob, SubmitJobs and RunJob take a `request_id`, which makes a repeat harmless.
   * Causes: the events of a call carry its `reason` and the value of its metadata `x-request-id`. The value has at most
   * 128 visible ASCII characters; any other value is ignored.
   * Waits: a call with `max_wait` ends in OK when its condition is met (WAIT_OUTCOME_DONE) or when the wait is over
   * (WAIT_OUTCOME_TIMED_OUT). The wait is the shortest of three times: max_wait; the time left of the call's deadline,
   * less a margin of 10 % (50 ms to 1 s); and 10 minutes. Without max_wait and without a deadline the wait is 60
   * seconds. A max_wait of 0 checks the condition once. Started work continues after the wait.
   * Machines: every supervisor answers every call. A change of an actor that belongs to another machine, a check of its
   * health and a read of its log are passed on to the supervisor there. If that one does not take the call within three
   * seconds, the call ends in NODE_UNAVAILABLE and has had no effect.
   * Capabilities: a call that the server does not have ends in UNIMPLEMENTED. GetServerInfo lists the calls that work.
   * </pre>
   */
  public static final class SupervisorBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<SupervisorBlockingV2Stub> {
    private SupervisorBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SupervisorBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SupervisorBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the identity of the server, its calls and limits, and the state of Redis and the process manager.
     * </pre>
     */
    public hero.supervisor.v1.GetServerInfoResponse getServerInfo(hero.supervisor.v1.GetServerInfoRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetServerInfoMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes a code that opens a session of the dashboard for the caller, once, within a minute. The session may do what the
     * caller may do, as long as the credentials of the caller hold, and 12 hours at most.
     * </pre>
     */
    public hero.supervisor.v1.CreateLoginCodeResponse createLoginCode(hero.supervisor.v1.CreateLoginCodeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateLoginCodeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Creates an actor and, by default, starts it. A repeat with the same definition changes nothing.
     * </pre>
     */
    public hero.supervisor.v1.CreateActorResponse createActor(hero.supervisor.v1.CreateActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns one actor.
     * </pre>
     */
    public hero.supervisor.v1.GetActorResponse getActor(hero.supervisor.v1.GetActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the actors of all machines, ordered by name.
     * </pre>
     */
    public hero.supervisor.v1.ListActorsResponse listActors(hero.supervisor.v1.ListActorsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the definition of an actor.
     * </pre>
     */
    public hero.supervisor.v1.UpdateActorResponse updateActor(hero.supervisor.v1.UpdateActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Drains, stops and removes an actor.
     * </pre>
     */
    public hero.supervisor.v1.DeleteActorResponse deleteActor(hero.supervisor.v1.DeleteActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Starts an actor and waits until it is STATE_RUNNING.
     * </pre>
     */
    public hero.supervisor.v1.StartActorResponse startActor(hero.supervisor.v1.StartActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getStartActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops an actor. The actor takes no new jobs, finishes its jobs within drain_timeout, and ends.
     * </pre>
     */
    public hero.supervisor.v1.StopActorResponse stopActor(hero.supervisor.v1.StopActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getStopActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops an actor as StopActor does, and starts it again.
     * </pre>
     */
    public hero.supervisor.v1.RestartActorResponse restartActor(hero.supervisor.v1.RestartActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRestartActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Starts many actors concurrently, dependencies first. Each actor has a result of its own.
     * </pre>
     */
    public hero.supervisor.v1.StartActorsResponse startActors(hero.supervisor.v1.StartActorsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getStartActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops many actors concurrently. Each actor has a result of its own.
     * </pre>
     */
    public hero.supervisor.v1.StopActorsResponse stopActors(hero.supervisor.v1.StopActorsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getStopActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Restarts many actors, all at once or a few at a time. Each actor has a result of its own.
     * </pre>
     */
    public hero.supervisor.v1.RestartActorsResponse restartActors(hero.supervisor.v1.RestartActorsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRestartActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the log of an actor, and follows it if `follow` is set.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, hero.supervisor.v1.StreamActorLogsResponse>
        streamActorLogs(hero.supervisor.v1.StreamActorLogsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getStreamActorLogsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the machines of the fleet, ordered by name: those whose supervisors were seen within a week, and those that
     * have actors.
     * </pre>
     */
    public hero.supervisor.v1.ListNodesResponse listNodes(hero.supervisor.v1.ListNodesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListNodesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns every script type with its settings, its queue and its actors.
     * </pre>
     */
    public hero.supervisor.v1.ListScriptTypesResponse listScriptTypes(hero.supervisor.v1.ListScriptTypesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListScriptTypesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns one script type with its settings, its queue and its actors.
     * </pre>
     */
    public hero.supervisor.v1.GetScriptTypeResponse getScriptType(hero.supervisor.v1.GetScriptTypeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetScriptTypeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the settings of a script type.
     * </pre>
     */
    public hero.supervisor.v1.UpdateScriptTypeResponse updateScriptType(hero.supervisor.v1.UpdateScriptTypeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateScriptTypeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Creates or removes actors of a queue until this machine has `replicas` of them. New actors are created from
     * the template of the queue. Removed actors are drained before; the longest idle actor is removed first.
     * </pre>
     */
    public hero.supervisor.v1.ScaleActorsResponse scaleActors(hero.supervisor.v1.ScaleActorsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getScaleActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Pauses a queue: its actors get no new jobs. Jobs are still accepted, and running jobs finish.
     * </pre>
     */
    public hero.supervisor.v1.PauseQueueResponse pauseQueue(hero.supervisor.v1.PauseQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPauseQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Resumes a queue: its actors get jobs again.
     * </pre>
     */
    public hero.supervisor.v1.ResumeQueueResponse resumeQueue(hero.supervisor.v1.ResumeQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getResumeQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cancels waiting jobs of a queue.
     * </pre>
     */
    public hero.supervisor.v1.PurgeQueueResponse purgeQueue(hero.supervisor.v1.PurgeQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPurgeQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Creates a queue beside the default queues of the script types. A repeat returns the queue that is there.
     * </pre>
     */
    public hero.supervisor.v1.CreateQueueResponse createQueue(hero.supervisor.v1.CreateQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a queue with the numbers of its jobs and actors.
     * </pre>
     */
    public hero.supervisor.v1.GetQueueResponse getQueue(hero.supervisor.v1.GetQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the settings of a queue; those of a default queue are the settings of its script type.
     * </pre>
     */
    public hero.supervisor.v1.UpdateQueueResponse updateQueue(hero.supervisor.v1.UpdateQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists all queues by name.
     * </pre>
     */
    public hero.supervisor.v1.ListQueuesResponse listQueues(hero.supervisor.v1.ListQueuesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListQueuesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes a queue that has no unfinished jobs and no actors, with the records of its ended jobs.
     * </pre>
     */
    public hero.supervisor.v1.DeleteQueueResponse deleteQueue(hero.supervisor.v1.DeleteQueueRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Pings actors at once and reports their health.
     * </pre>
     */
    public hero.supervisor.v1.CheckHealthResponse checkHealth(hero.supervisor.v1.CheckHealthRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCheckHealthMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reports the health of actors, and every change of it.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, hero.supervisor.v1.WatchHealthResponse>
        watchHealth(hero.supervisor.v1.WatchHealthRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchHealthMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits a job. After the response the job is stored in Redis.
     * </pre>
     */
    public hero.supervisor.v1.SubmitJobResponse submitJob(hero.supervisor.v1.SubmitJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSubmitJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits many jobs. Valid jobs are accepted even if others are refused.
     * </pre>
     */
    public hero.supervisor.v1.SubmitJobsResponse submitJobs(hero.supervisor.v1.SubmitJobsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSubmitJobsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits a job and waits for its end. The job outlives the call: continue with AwaitJob if the wait ends first.
     * </pre>
     */
    public hero.supervisor.v1.RunJobResponse runJob(hero.supervisor.v1.RunJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRunJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Waits for the end of a job that anybody has submitted.
     * </pre>
     */
    public hero.supervisor.v1.AwaitJobResponse awaitJob(hero.supervisor.v1.AwaitJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAwaitJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns one job.
     * </pre>
     */
    public hero.supervisor.v1.GetJobResponse getJob(hero.supervisor.v1.GetJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists jobs, the newest first.
     * </pre>
     */
    public hero.supervisor.v1.ListJobsResponse listJobs(hero.supervisor.v1.ListJobsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListJobsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Explains why a job does not run, and when it may: everything that holds it, its position, and an estimate.
     * </pre>
     */
    public hero.supervisor.v1.ExplainJobResponse explainJob(hero.supervisor.v1.ExplainJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExplainJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cancels a waiting or a running job. The script of a running job is killed.
     * </pre>
     */
    public hero.supervisor.v1.CancelJobResponse cancelJob(hero.supervisor.v1.CancelJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCancelJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes a job that waits: its priority.
     * </pre>
     */
    public hero.supervisor.v1.UpdateJobResponse updateJob(hero.supervisor.v1.UpdateJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Puts a failed or cancelled job into its queue once more, or runs an ended one again with another input.
     * </pre>
     */
    public hero.supervisor.v1.RetryJobResponse retryJob(hero.supervisor.v1.RetryJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRetryJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes the record of a finished job.
     * </pre>
     */
    public hero.supervisor.v1.DeleteJobResponse deleteJob(hero.supervisor.v1.DeleteJobRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows a job: its present state, its changes and log lines, and the job at its end.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, hero.supervisor.v1.WatchJobResponse>
        watchJob(hero.supervisor.v1.WatchJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows events: first a snapshot of the present state, then every event, in order and without gaps.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, hero.supervisor.v1.WatchEventsResponse>
        watchEvents(hero.supervisor.v1.WatchEventsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists past events, the newest first.
     * </pre>
     */
    public hero.supervisor.v1.ListEventsResponse listEvents(hero.supervisor.v1.ListEventsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists who may call this server: tokens, rules for certificates and users, the identity provider. For admins.
     * </pre>
     */
    public hero.supervisor.v1.ListIdentitiesResponse listIdentities(hero.supervisor.v1.ListIdentitiesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListIdentitiesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists lines of the audit log of this server, the newest first. For admins.
     * </pre>
     */
    public hero.supervisor.v1.ListAuditEntriesResponse listAuditEntries(hero.supervisor.v1.ListAuditEntriesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListAuditEntriesMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service Supervisor.
   * <pre>
   * Keeps script actors alive and gives them jobs.
   * Errors: every error carries a machine-readable reason; see ErrorReason. A failed job is not an error of a call.
   * Sizes: requests and responses have at most 4 MiB, the default limit of gRPC clients. A page that would be larger
   * ends early. Every accepted job and definition can be read back in full.
   * Repeats: to start a running actor, to stop a stopped one and to cancel a finished job is OK; the response has
   * `changed: false`. SubmitJob, SubmitJobs and RunJob take a `request_id`, which makes a repeat harmless.
   * Causes: the events of a call carry its `reason` and the value of its metadata `x-request-id`. The value has at most
   * 128 visible ASCII characters; any other value is ignored.
   * Waits: a call with `max_wait` ends in OK when its condition is met (WAIT_OUTCOME_DONE) or when the wait is over
   * (WAIT_OUTCOME_TIMED_OUT). The wait is the shortest of three times: max_wait; the time left of the call's deadline,
   * less a margin of 10 % (50 ms to 1 s); and 10 minutes. Without max_wait and without a deadline the wait is 60
   * seconds. A max_wait of 0 checks the condition once. Started work continues after the wait.
   * Machines: every supervisor answers every call. A change of an actor that belongs to another machine, a check of its
   * health and a read of its log are passed on to the supervisor there. If that one does not take the call within three
   * seconds, the call ends in NODE_UNAVAILABLE and has had no effect.
   * Capabilities: a call that the server does not have ends in UNIMPLEMENTED. GetServerInfo lists the calls that work.
   * </pre>
   */
  public static final class SupervisorBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<SupervisorBlockingStub> {
    private SupervisorBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SupervisorBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SupervisorBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the identity of the server, its calls and limits, and the state of Redis and the process manager.
     * </pre>
     */
    public hero.supervisor.v1.GetServerInfoResponse getServerInfo(hero.supervisor.v1.GetServerInfoRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetServerInfoMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes a code that opens a session of the dashboard for the caller, once, within a minute. The session may do what the
     * caller may do, as long as the credentials of the caller hold, and 12 hours at most.
     * </pre>
     */
    public hero.supervisor.v1.CreateLoginCodeResponse createLoginCode(hero.supervisor.v1.CreateLoginCodeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateLoginCodeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Creates an actor and, by default, starts it. A repeat with the same definition changes nothing.
     * </pre>
     */
    public hero.supervisor.v1.CreateActorResponse createActor(hero.supervisor.v1.CreateActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns one actor.
     * </pre>
     */
    public hero.supervisor.v1.GetActorResponse getActor(hero.supervisor.v1.GetActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the actors of all machines, ordered by name.
     * </pre>
     */
    public hero.supervisor.v1.ListActorsResponse listActors(hero.supervisor.v1.ListActorsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the definition of an actor.
     * </pre>
     */
    public hero.supervisor.v1.UpdateActorResponse updateActor(hero.supervisor.v1.UpdateActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Drains, stops and removes an actor.
     * </pre>
     */
    public hero.supervisor.v1.DeleteActorResponse deleteActor(hero.supervisor.v1.DeleteActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Starts an actor and waits until it is STATE_RUNNING.
     * </pre>
     */
    public hero.supervisor.v1.StartActorResponse startActor(hero.supervisor.v1.StartActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStartActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops an actor. The actor takes no new jobs, finishes its jobs within drain_timeout, and ends.
     * </pre>
     */
    public hero.supervisor.v1.StopActorResponse stopActor(hero.supervisor.v1.StopActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStopActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops an actor as StopActor does, and starts it again.
     * </pre>
     */
    public hero.supervisor.v1.RestartActorResponse restartActor(hero.supervisor.v1.RestartActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRestartActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Starts many actors concurrently, dependencies first. Each actor has a result of its own.
     * </pre>
     */
    public hero.supervisor.v1.StartActorsResponse startActors(hero.supervisor.v1.StartActorsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStartActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops many actors concurrently. Each actor has a result of its own.
     * </pre>
     */
    public hero.supervisor.v1.StopActorsResponse stopActors(hero.supervisor.v1.StopActorsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStopActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Restarts many actors, all at once or a few at a time. Each actor has a result of its own.
     * </pre>
     */
    public hero.supervisor.v1.RestartActorsResponse restartActors(hero.supervisor.v1.RestartActorsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRestartActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns the log of an actor, and follows it if `follow` is set.
     * </pre>
     */
    public java.util.Iterator<hero.supervisor.v1.StreamActorLogsResponse> streamActorLogs(
        hero.supervisor.v1.StreamActorLogsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getStreamActorLogsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the machines of the fleet, ordered by name: those whose supervisors were seen within a week, and those that
     * have actors.
     * </pre>
     */
    public hero.supervisor.v1.ListNodesResponse listNodes(hero.supervisor.v1.ListNodesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListNodesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns every script type with its settings, its queue and its actors.
     * </pre>
     */
    public hero.supervisor.v1.ListScriptTypesResponse listScriptTypes(hero.supervisor.v1.ListScriptTypesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListScriptTypesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns one script type with its settings, its queue and its actors.
     * </pre>
     */
    public hero.supervisor.v1.GetScriptTypeResponse getScriptType(hero.supervisor.v1.GetScriptTypeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetScriptTypeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the settings of a script type.
     * </pre>
     */
    public hero.supervisor.v1.UpdateScriptTypeResponse updateScriptType(hero.supervisor.v1.UpdateScriptTypeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateScriptTypeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Creates or removes actors of a queue until this machine has `replicas` of them. New actors are created from
     * the template of the queue. Removed actors are drained before; the longest idle actor is removed first.
     * </pre>
     */
    public hero.supervisor.v1.ScaleActorsResponse scaleActors(hero.supervisor.v1.ScaleActorsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getScaleActorsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Pauses a queue: its actors get no new jobs. Jobs are still accepted, and running jobs finish.
     * </pre>
     */
    public hero.supervisor.v1.PauseQueueResponse pauseQueue(hero.supervisor.v1.PauseQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPauseQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Resumes a queue: its actors get jobs again.
     * </pre>
     */
    public hero.supervisor.v1.ResumeQueueResponse resumeQueue(hero.supervisor.v1.ResumeQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getResumeQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cancels waiting jobs of a queue.
     * </pre>
     */
    public hero.supervisor.v1.PurgeQueueResponse purgeQueue(hero.supervisor.v1.PurgeQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPurgeQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Creates a queue beside the default queues of the script types. A repeat returns the queue that is there.
     * </pre>
     */
    public hero.supervisor.v1.CreateQueueResponse createQueue(hero.supervisor.v1.CreateQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a queue with the numbers of its jobs and actors.
     * </pre>
     */
    public hero.supervisor.v1.GetQueueResponse getQueue(hero.supervisor.v1.GetQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the settings of a queue; those of a default queue are the settings of its script type.
     * </pre>
     */
    public hero.supervisor.v1.UpdateQueueResponse updateQueue(hero.supervisor.v1.UpdateQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists all queues by name.
     * </pre>
     */
    public hero.supervisor.v1.ListQueuesResponse listQueues(hero.supervisor.v1.ListQueuesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListQueuesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes a queue that has no unfinished jobs and no actors, with the records of its ended jobs.
     * </pre>
     */
    public hero.supervisor.v1.DeleteQueueResponse deleteQueue(hero.supervisor.v1.DeleteQueueRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteQueueMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Pings actors at once and reports their health.
     * </pre>
     */
    public hero.supervisor.v1.CheckHealthResponse checkHealth(hero.supervisor.v1.CheckHealthRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCheckHealthMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reports the health of actors, and every change of it.
     * </pre>
     */
    public java.util.Iterator<hero.supervisor.v1.WatchHealthResponse> watchHealth(
        hero.supervisor.v1.WatchHealthRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchHealthMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits a job. After the response the job is stored in Redis.
     * </pre>
     */
    public hero.supervisor.v1.SubmitJobResponse submitJob(hero.supervisor.v1.SubmitJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSubmitJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits many jobs. Valid jobs are accepted even if others are refused.
     * </pre>
     */
    public hero.supervisor.v1.SubmitJobsResponse submitJobs(hero.supervisor.v1.SubmitJobsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSubmitJobsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Submits a job and waits for its end. The job outlives the call: continue with AwaitJob if the wait ends first.
     * </pre>
     */
    public hero.supervisor.v1.RunJobResponse runJob(hero.supervisor.v1.RunJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRunJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Waits for the end of a job that anybody has submitted.
     * </pre>
     */
    public hero.supervisor.v1.AwaitJobResponse awaitJob(hero.supervisor.v1.AwaitJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAwaitJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns one job.
     * </pre>
     */
    public hero.supervisor.v1.GetJobResponse getJob(hero.supervisor.v1.GetJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists jobs, the newest first.
     * </pre>
     */
    public hero.supervisor.v1.ListJobsResponse listJobs(hero.supervisor.v1.ListJobsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListJobsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Explains why a job does not run, and when it may: everything that holds it, its position, and an estimate.
     * </pre>
     */
    public hero.supervisor.v1.ExplainJobResponse explainJob(hero.supervisor.v1.ExplainJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExplainJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cancels a waiting or a running job. The script of a running job is killed.
     * </pre>
     */
    public hero.supervisor.v1.CancelJobResponse cancelJob(hero.supervisor.v1.CancelJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCancelJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes a job that waits: its priority.
     * </pre>
     */
    public hero.supervisor.v1.UpdateJobResponse updateJob(hero.supervisor.v1.UpdateJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Puts a failed or cancelled job into its queue once more, or runs an ended one again with another input.
     * </pre>
     */
    public hero.supervisor.v1.RetryJobResponse retryJob(hero.supervisor.v1.RetryJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRetryJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Removes the record of a finished job.
     * </pre>
     */
    public hero.supervisor.v1.DeleteJobResponse deleteJob(hero.supervisor.v1.DeleteJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows a job: its present state, its changes and log lines, and the job at its end.
     * </pre>
     */
    public java.util.Iterator<hero.supervisor.v1.WatchJobResponse> watchJob(
        hero.supervisor.v1.WatchJobRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchJobMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows events: first a snapshot of the present state, then every event, in order and without gaps.
     * </pre>
     */
    public java.util.Iterator<hero.supervisor.v1.WatchEventsResponse> watchEvents(
        hero.supervisor.v1.WatchEventsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists past events, the newest first.
     * </pre>
     */
    public hero.supervisor.v1.ListEventsResponse listEvents(hero.supervisor.v1.ListEventsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists who may call this server: tokens, rules for certificates and users, the identity provider. For admins.
     * </pre>
     */
    public hero.supervisor.v1.ListIdentitiesResponse listIdentities(hero.supervisor.v1.ListIdentitiesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListIdentitiesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists lines of the audit log of this server, the newest first. For admins.
     * </pre>
     */
    public hero.supervisor.v1.ListAuditEntriesResponse listAuditEntries(hero.supervisor.v1.ListAuditEntriesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListAuditEntriesMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service Supervisor.
   * <pre>
   * Keeps script actors alive and gives them jobs.
   * Errors: every error carries a machine-readable reason; see ErrorReason. A failed job is not an error of a call.
   * Sizes: requests and responses have at most 4 MiB, the default limit of gRPC clients. A page that would be larger
   * ends early. Every accepted job and definition can be read back in full.
   * Repeats: to start a running actor, to stop a stopped one and to cancel a finished job is OK; the response has
   * `changed: false`. SubmitJob, SubmitJobs and RunJob take a `request_id`, which makes a repeat harmless.
   * Causes: the events of a call carry its `reason` and the value of its metadata `x-request-id`. The value has at most
   * 128 visible ASCII characters; any other value is ignored.
   * Waits: a call with `max_wait` ends in OK when its condition is met (WAIT_OUTCOME_DONE) or when the wait is over
   * (WAIT_OUTCOME_TIMED_OUT). The wait is the shortest of three times: max_wait; the time left of the call's deadline,
   * less a margin of 10 % (50 ms to 1 s); and 10 minutes. Without max_wait and without a deadline the wait is 60
   * seconds. A max_wait of 0 checks the condition once. Started work continues after the wait.
   * Machines: every supervisor answers every call. A change of an actor that belongs to another machine, a check of its
   * health and a read of its log are passed on to the supervisor there. If that one does not take the call within three
   * seconds, the call ends in NODE_UNAVAILABLE and has had no effect.
   * Capabilities: a call that the server does not have ends in UNIMPLEMENTED. GetServerInfo lists the calls that work.
   * </pre>
   */
  public static final class SupervisorFutureStub
      extends io.grpc.stub.AbstractFutureStub<SupervisorFutureStub> {
    private SupervisorFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SupervisorFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SupervisorFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the identity of the server, its calls and limits, and the state of Redis and the process manager.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.GetServerInfoResponse> getServerInfo(
        hero.supervisor.v1.GetServerInfoRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetServerInfoMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Makes a code that opens a session of the dashboard for the caller, once, within a minute. The session may do what the
     * caller may do, as long as the credentials of the caller hold, and 12 hours at most.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.CreateLoginCodeResponse> createLoginCode(
        hero.supervisor.v1.CreateLoginCodeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateLoginCodeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Creates an actor and, by default, starts it. A repeat with the same definition changes nothing.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.CreateActorResponse> createActor(
        hero.supervisor.v1.CreateActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns one actor.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.GetActorResponse> getActor(
        hero.supervisor.v1.GetActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the actors of all machines, ordered by name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListActorsResponse> listActors(
        hero.supervisor.v1.ListActorsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListActorsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes the definition of an actor.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.UpdateActorResponse> updateActor(
        hero.supervisor.v1.UpdateActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Drains, stops and removes an actor.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.DeleteActorResponse> deleteActor(
        hero.supervisor.v1.DeleteActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Starts an actor and waits until it is STATE_RUNNING.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.StartActorResponse> startActor(
        hero.supervisor.v1.StartActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStartActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stops an actor. The actor takes no new jobs, finishes its jobs within drain_timeout, and ends.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.StopActorResponse> stopActor(
        hero.supervisor.v1.StopActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStopActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stops an actor as StopActor does, and starts it again.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.RestartActorResponse> restartActor(
        hero.supervisor.v1.RestartActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRestartActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Starts many actors concurrently, dependencies first. Each actor has a result of its own.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.StartActorsResponse> startActors(
        hero.supervisor.v1.StartActorsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStartActorsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stops many actors concurrently. Each actor has a result of its own.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.StopActorsResponse> stopActors(
        hero.supervisor.v1.StopActorsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStopActorsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Restarts many actors, all at once or a few at a time. Each actor has a result of its own.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.RestartActorsResponse> restartActors(
        hero.supervisor.v1.RestartActorsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRestartActorsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the machines of the fleet, ordered by name: those whose supervisors were seen within a week, and those that
     * have actors.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListNodesResponse> listNodes(
        hero.supervisor.v1.ListNodesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListNodesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns every script type with its settings, its queue and its actors.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListScriptTypesResponse> listScriptTypes(
        hero.supervisor.v1.ListScriptTypesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListScriptTypesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns one script type with its settings, its queue and its actors.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.GetScriptTypeResponse> getScriptType(
        hero.supervisor.v1.GetScriptTypeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetScriptTypeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes the settings of a script type.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.UpdateScriptTypeResponse> updateScriptType(
        hero.supervisor.v1.UpdateScriptTypeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateScriptTypeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Creates or removes actors of a queue until this machine has `replicas` of them. New actors are created from
     * the template of the queue. Removed actors are drained before; the longest idle actor is removed first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ScaleActorsResponse> scaleActors(
        hero.supervisor.v1.ScaleActorsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getScaleActorsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Pauses a queue: its actors get no new jobs. Jobs are still accepted, and running jobs finish.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.PauseQueueResponse> pauseQueue(
        hero.supervisor.v1.PauseQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPauseQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Resumes a queue: its actors get jobs again.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ResumeQueueResponse> resumeQueue(
        hero.supervisor.v1.ResumeQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getResumeQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Cancels waiting jobs of a queue.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.PurgeQueueResponse> purgeQueue(
        hero.supervisor.v1.PurgeQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPurgeQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Creates a queue beside the default queues of the script types. A repeat returns the queue that is there.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.CreateQueueResponse> createQueue(
        hero.supervisor.v1.CreateQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns a queue with the numbers of its jobs and actors.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.GetQueueResponse> getQueue(
        hero.supervisor.v1.GetQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes the settings of a queue; those of a default queue are the settings of its script type.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.UpdateQueueResponse> updateQueue(
        hero.supervisor.v1.UpdateQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists all queues by name.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListQueuesResponse> listQueues(
        hero.supervisor.v1.ListQueuesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListQueuesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Deletes a queue that has no unfinished jobs and no actors, with the records of its ended jobs.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.DeleteQueueResponse> deleteQueue(
        hero.supervisor.v1.DeleteQueueRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteQueueMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Pings actors at once and reports their health.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.CheckHealthResponse> checkHealth(
        hero.supervisor.v1.CheckHealthRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCheckHealthMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Submits a job. After the response the job is stored in Redis.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.SubmitJobResponse> submitJob(
        hero.supervisor.v1.SubmitJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSubmitJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Submits many jobs. Valid jobs are accepted even if others are refused.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.SubmitJobsResponse> submitJobs(
        hero.supervisor.v1.SubmitJobsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSubmitJobsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Submits a job and waits for its end. The job outlives the call: continue with AwaitJob if the wait ends first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.RunJobResponse> runJob(
        hero.supervisor.v1.RunJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRunJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Waits for the end of a job that anybody has submitted.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.AwaitJobResponse> awaitJob(
        hero.supervisor.v1.AwaitJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAwaitJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns one job.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.GetJobResponse> getJob(
        hero.supervisor.v1.GetJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists jobs, the newest first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListJobsResponse> listJobs(
        hero.supervisor.v1.ListJobsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListJobsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Explains why a job does not run, and when it may: everything that holds it, its position, and an estimate.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ExplainJobResponse> explainJob(
        hero.supervisor.v1.ExplainJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExplainJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Cancels a waiting or a running job. The script of a running job is killed.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.CancelJobResponse> cancelJob(
        hero.supervisor.v1.CancelJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCancelJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes a job that waits: its priority.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.UpdateJobResponse> updateJob(
        hero.supervisor.v1.UpdateJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Puts a failed or cancelled job into its queue once more, or runs an ended one again with another input.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.RetryJobResponse> retryJob(
        hero.supervisor.v1.RetryJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRetryJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Removes the record of a finished job.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.DeleteJobResponse> deleteJob(
        hero.supervisor.v1.DeleteJobRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteJobMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists past events, the newest first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListEventsResponse> listEvents(
        hero.supervisor.v1.ListEventsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListEventsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists who may call this server: tokens, rules for certificates and users, the identity provider. For admins.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListIdentitiesResponse> listIdentities(
        hero.supervisor.v1.ListIdentitiesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListIdentitiesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists lines of the audit log of this server, the newest first. For admins.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<hero.supervisor.v1.ListAuditEntriesResponse> listAuditEntries(
        hero.supervisor.v1.ListAuditEntriesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListAuditEntriesMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_SERVER_INFO = 0;
  private static final int METHODID_CREATE_LOGIN_CODE = 1;
  private static final int METHODID_CREATE_ACTOR = 2;
  private static final int METHODID_GET_ACTOR = 3;
  private static final int METHODID_LIST_ACTORS = 4;
  private static final int METHODID_UPDATE_ACTOR = 5;
  private static final int METHODID_DELETE_ACTOR = 6;
  private static final int METHODID_START_ACTOR = 7;
  private static final int METHODID_STOP_ACTOR = 8;
  private static final int METHODID_RESTART_ACTOR = 9;
  private static final int METHODID_START_ACTORS = 10;
  private static final int METHODID_STOP_ACTORS = 11;
  private static final int METHODID_RESTART_ACTORS = 12;
  private static final int METHODID_STREAM_ACTOR_LOGS = 13;
  private static final int METHODID_LIST_NODES = 14;
  private static final int METHODID_LIST_SCRIPT_TYPES = 15;
  private static final int METHODID_GET_SCRIPT_TYPE = 16;
  private static final int METHODID_UPDATE_SCRIPT_TYPE = 17;
  private static final int METHODID_SCALE_ACTORS = 18;
  private static final int METHODID_PAUSE_QUEUE = 19;
  private static final int METHODID_RESUME_QUEUE = 20;
  private static final int METHODID_PURGE_QUEUE = 21;
  private static final int METHODID_CREATE_QUEUE = 22;
  private static final int METHODID_GET_QUEUE = 23;
  private static final int METHODID_UPDATE_QUEUE = 24;
  private static final int METHODID_LIST_QUEUES = 25;
  private static final int METHODID_DELETE_QUEUE = 26;
  private static final int METHODID_CHECK_HEALTH = 27;
  private static final int METHODID_WATCH_HEALTH = 28;
  private static final int METHODID_SUBMIT_JOB = 29;
  private static final int METHODID_SUBMIT_JOBS = 30;
  private static final int METHODID_RUN_JOB = 31;
  private static final int METHODID_AWAIT_JOB = 32;
  private static final int METHODID_GET_JOB = 33;
  private static final int METHODID_LIST_JOBS = 34;
  private static final int METHODID_EXPLAIN_JOB = 35;
  private static final int METHODID_CANCEL_JOB = 36;
  private static final int METHODID_UPDATE_JOB = 37;
  private static final int METHODID_RETRY_JOB = 38;
  private static final int METHODID_DELETE_JOB = 39;
  private static final int METHODID_WATCH_JOB = 40;
  private static final int METHODID_WATCH_EVENTS = 41;
  private static final int METHODID_LIST_EVENTS = 42;
  private static final int METHODID_LIST_IDENTITIES = 43;
  private static final int METHODID_LIST_AUDIT_ENTRIES = 44;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_GET_SERVER_INFO:
          serviceImpl.getServerInfo((hero.supervisor.v1.GetServerInfoRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.GetServerInfoResponse>) responseObserver);
          break;
        case METHODID_CREATE_LOGIN_CODE:
          serviceImpl.createLoginCode((hero.supervisor.v1.CreateLoginCodeRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateLoginCodeResponse>) responseObserver);
          break;
        case METHODID_CREATE_ACTOR:
          serviceImpl.createActor((hero.supervisor.v1.CreateActorRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateActorResponse>) responseObserver);
          break;
        case METHODID_GET_ACTOR:
          serviceImpl.getActor((hero.supervisor.v1.GetActorRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.GetActorResponse>) responseObserver);
          break;
        case METHODID_LIST_ACTORS:
          serviceImpl.listActors((hero.supervisor.v1.ListActorsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListActorsResponse>) responseObserver);
          break;
        case METHODID_UPDATE_ACTOR:
          serviceImpl.updateActor((hero.supervisor.v1.UpdateActorRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateActorResponse>) responseObserver);
          break;
        case METHODID_DELETE_ACTOR:
          serviceImpl.deleteActor((hero.supervisor.v1.DeleteActorRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteActorResponse>) responseObserver);
          break;
        case METHODID_START_ACTOR:
          serviceImpl.startActor((hero.supervisor.v1.StartActorRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.StartActorResponse>) responseObserver);
          break;
        case METHODID_STOP_ACTOR:
          serviceImpl.stopActor((hero.supervisor.v1.StopActorRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.StopActorResponse>) responseObserver);
          break;
        case METHODID_RESTART_ACTOR:
          serviceImpl.restartActor((hero.supervisor.v1.RestartActorRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.RestartActorResponse>) responseObserver);
          break;
        case METHODID_START_ACTORS:
          serviceImpl.startActors((hero.supervisor.v1.StartActorsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.StartActorsResponse>) responseObserver);
          break;
        case METHODID_STOP_ACTORS:
          serviceImpl.stopActors((hero.supervisor.v1.StopActorsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.StopActorsResponse>) responseObserver);
          break;
        case METHODID_RESTART_ACTORS:
          serviceImpl.restartActors((hero.supervisor.v1.RestartActorsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.RestartActorsResponse>) responseObserver);
          break;
        case METHODID_STREAM_ACTOR_LOGS:
          serviceImpl.streamActorLogs((hero.supervisor.v1.StreamActorLogsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.StreamActorLogsResponse>) responseObserver);
          break;
        case METHODID_LIST_NODES:
          serviceImpl.listNodes((hero.supervisor.v1.ListNodesRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListNodesResponse>) responseObserver);
          break;
        case METHODID_LIST_SCRIPT_TYPES:
          serviceImpl.listScriptTypes((hero.supervisor.v1.ListScriptTypesRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListScriptTypesResponse>) responseObserver);
          break;
        case METHODID_GET_SCRIPT_TYPE:
          serviceImpl.getScriptType((hero.supervisor.v1.GetScriptTypeRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.GetScriptTypeResponse>) responseObserver);
          break;
        case METHODID_UPDATE_SCRIPT_TYPE:
          serviceImpl.updateScriptType((hero.supervisor.v1.UpdateScriptTypeRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateScriptTypeResponse>) responseObserver);
          break;
        case METHODID_SCALE_ACTORS:
          serviceImpl.scaleActors((hero.supervisor.v1.ScaleActorsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ScaleActorsResponse>) responseObserver);
          break;
        case METHODID_PAUSE_QUEUE:
          serviceImpl.pauseQueue((hero.supervisor.v1.PauseQueueRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.PauseQueueResponse>) responseObserver);
          break;
        case METHODID_RESUME_QUEUE:
          serviceImpl.resumeQueue((hero.supervisor.v1.ResumeQueueRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ResumeQueueResponse>) responseObserver);
          break;
        case METHODID_PURGE_QUEUE:
          serviceImpl.purgeQueue((hero.supervisor.v1.PurgeQueueRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.PurgeQueueResponse>) responseObserver);
          break;
        case METHODID_CREATE_QUEUE:
          serviceImpl.createQueue((hero.supervisor.v1.CreateQueueRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.CreateQueueResponse>) responseObserver);
          break;
        case METHODID_GET_QUEUE:
          serviceImpl.getQueue((hero.supervisor.v1.GetQueueRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.GetQueueResponse>) responseObserver);
          break;
        case METHODID_UPDATE_QUEUE:
          serviceImpl.updateQueue((hero.supervisor.v1.UpdateQueueRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateQueueResponse>) responseObserver);
          break;
        case METHODID_LIST_QUEUES:
          serviceImpl.listQueues((hero.supervisor.v1.ListQueuesRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListQueuesResponse>) responseObserver);
          break;
        case METHODID_DELETE_QUEUE:
          serviceImpl.deleteQueue((hero.supervisor.v1.DeleteQueueRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteQueueResponse>) responseObserver);
          break;
        case METHODID_CHECK_HEALTH:
          serviceImpl.checkHealth((hero.supervisor.v1.CheckHealthRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.CheckHealthResponse>) responseObserver);
          break;
        case METHODID_WATCH_HEALTH:
          serviceImpl.watchHealth((hero.supervisor.v1.WatchHealthRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchHealthResponse>) responseObserver);
          break;
        case METHODID_SUBMIT_JOB:
          serviceImpl.submitJob((hero.supervisor.v1.SubmitJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.SubmitJobResponse>) responseObserver);
          break;
        case METHODID_SUBMIT_JOBS:
          serviceImpl.submitJobs((hero.supervisor.v1.SubmitJobsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.SubmitJobsResponse>) responseObserver);
          break;
        case METHODID_RUN_JOB:
          serviceImpl.runJob((hero.supervisor.v1.RunJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.RunJobResponse>) responseObserver);
          break;
        case METHODID_AWAIT_JOB:
          serviceImpl.awaitJob((hero.supervisor.v1.AwaitJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.AwaitJobResponse>) responseObserver);
          break;
        case METHODID_GET_JOB:
          serviceImpl.getJob((hero.supervisor.v1.GetJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.GetJobResponse>) responseObserver);
          break;
        case METHODID_LIST_JOBS:
          serviceImpl.listJobs((hero.supervisor.v1.ListJobsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListJobsResponse>) responseObserver);
          break;
        case METHODID_EXPLAIN_JOB:
          serviceImpl.explainJob((hero.supervisor.v1.ExplainJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ExplainJobResponse>) responseObserver);
          break;
        case METHODID_CANCEL_JOB:
          serviceImpl.cancelJob((hero.supervisor.v1.CancelJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.CancelJobResponse>) responseObserver);
          break;
        case METHODID_UPDATE_JOB:
          serviceImpl.updateJob((hero.supervisor.v1.UpdateJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.UpdateJobResponse>) responseObserver);
          break;
        case METHODID_RETRY_JOB:
          serviceImpl.retryJob((hero.supervisor.v1.RetryJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.RetryJobResponse>) responseObserver);
          break;
        case METHODID_DELETE_JOB:
          serviceImpl.deleteJob((hero.supervisor.v1.DeleteJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.DeleteJobResponse>) responseObserver);
          break;
        case METHODID_WATCH_JOB:
          serviceImpl.watchJob((hero.supervisor.v1.WatchJobRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchJobResponse>) responseObserver);
          break;
        case METHODID_WATCH_EVENTS:
          serviceImpl.watchEvents((hero.supervisor.v1.WatchEventsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.WatchEventsResponse>) responseObserver);
          break;
        case METHODID_LIST_EVENTS:
          serviceImpl.listEvents((hero.supervisor.v1.ListEventsRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListEventsResponse>) responseObserver);
          break;
        case METHODID_LIST_IDENTITIES:
          serviceImpl.listIdentities((hero.supervisor.v1.ListIdentitiesRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListIdentitiesResponse>) responseObserver);
          break;
        case METHODID_LIST_AUDIT_ENTRIES:
          serviceImpl.listAuditEntries((hero.supervisor.v1.ListAuditEntriesRequest) request,
              (io.grpc.stub.StreamObserver<hero.supervisor.v1.ListAuditEntriesResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGetServerInfoMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.GetServerInfoRequest,
              hero.supervisor.v1.GetServerInfoResponse>(
                service, METHODID_GET_SERVER_INFO)))
        .addMethod(
          getCreateLoginCodeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.CreateLoginCodeRequest,
              hero.supervisor.v1.CreateLoginCodeResponse>(
                service, METHODID_CREATE_LOGIN_CODE)))
        .addMethod(
          getCreateActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.CreateActorRequest,
              hero.supervisor.v1.CreateActorResponse>(
                service, METHODID_CREATE_ACTOR)))
        .addMethod(
          getGetActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.GetActorRequest,
              hero.supervisor.v1.GetActorResponse>(
                service, METHODID_GET_ACTOR)))
        .addMethod(
          getListActorsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListActorsRequest,
              hero.supervisor.v1.ListActorsResponse>(
                service, METHODID_LIST_ACTORS)))
        .addMethod(
          getUpdateActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.UpdateActorRequest,
              hero.supervisor.v1.UpdateActorResponse>(
                service, METHODID_UPDATE_ACTOR)))
        .addMethod(
          getDeleteActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.DeleteActorRequest,
              hero.supervisor.v1.DeleteActorResponse>(
                service, METHODID_DELETE_ACTOR)))
        .addMethod(
          getStartActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.StartActorRequest,
              hero.supervisor.v1.StartActorResponse>(
                service, METHODID_START_ACTOR)))
        .addMethod(
          getStopActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.StopActorRequest,
              hero.supervisor.v1.StopActorResponse>(
                service, METHODID_STOP_ACTOR)))
        .addMethod(
          getRestartActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.RestartActorRequest,
              hero.supervisor.v1.RestartActorResponse>(
                service, METHODID_RESTART_ACTOR)))
        .addMethod(
          getStartActorsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.StartActorsRequest,
              hero.supervisor.v1.StartActorsResponse>(
                service, METHODID_START_ACTORS)))
        .addMethod(
          getStopActorsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.StopActorsRequest,
              hero.supervisor.v1.StopActorsResponse>(
                service, METHODID_STOP_ACTORS)))
        .addMethod(
          getRestartActorsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.RestartActorsRequest,
              hero.supervisor.v1.RestartActorsResponse>(
                service, METHODID_RESTART_ACTORS)))
        .addMethod(
          getStreamActorLogsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              hero.supervisor.v1.StreamActorLogsRequest,
              hero.supervisor.v1.StreamActorLogsResponse>(
                service, METHODID_STREAM_ACTOR_LOGS)))
        .addMethod(
          getListNodesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListNodesRequest,
              hero.supervisor.v1.ListNodesResponse>(
                service, METHODID_LIST_NODES)))
        .addMethod(
          getListScriptTypesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListScriptTypesRequest,
              hero.supervisor.v1.ListScriptTypesResponse>(
                service, METHODID_LIST_SCRIPT_TYPES)))
        .addMethod(
          getGetScriptTypeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.GetScriptTypeRequest,
              hero.supervisor.v1.GetScriptTypeResponse>(
                service, METHODID_GET_SCRIPT_TYPE)))
        .addMethod(
          getUpdateScriptTypeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.UpdateScriptTypeRequest,
              hero.supervisor.v1.UpdateScriptTypeResponse>(
                service, METHODID_UPDATE_SCRIPT_TYPE)))
        .addMethod(
          getScaleActorsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ScaleActorsRequest,
              hero.supervisor.v1.ScaleActorsResponse>(
                service, METHODID_SCALE_ACTORS)))
        .addMethod(
          getPauseQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.PauseQueueRequest,
              hero.supervisor.v1.PauseQueueResponse>(
                service, METHODID_PAUSE_QUEUE)))
        .addMethod(
          getResumeQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ResumeQueueRequest,
              hero.supervisor.v1.ResumeQueueResponse>(
                service, METHODID_RESUME_QUEUE)))
        .addMethod(
          getPurgeQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.PurgeQueueRequest,
              hero.supervisor.v1.PurgeQueueResponse>(
                service, METHODID_PURGE_QUEUE)))
        .addMethod(
          getCreateQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.CreateQueueRequest,
              hero.supervisor.v1.CreateQueueResponse>(
                service, METHODID_CREATE_QUEUE)))
        .addMethod(
          getGetQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.GetQueueRequest,
              hero.supervisor.v1.GetQueueResponse>(
                service, METHODID_GET_QUEUE)))
        .addMethod(
          getUpdateQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.UpdateQueueRequest,
              hero.supervisor.v1.UpdateQueueResponse>(
                service, METHODID_UPDATE_QUEUE)))
        .addMethod(
          getListQueuesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListQueuesRequest,
              hero.supervisor.v1.ListQueuesResponse>(
                service, METHODID_LIST_QUEUES)))
        .addMethod(
          getDeleteQueueMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.DeleteQueueRequest,
              hero.supervisor.v1.DeleteQueueResponse>(
                service, METHODID_DELETE_QUEUE)))
        .addMethod(
          getCheckHealthMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.CheckHealthRequest,
              hero.supervisor.v1.CheckHealthResponse>(
                service, METHODID_CHECK_HEALTH)))
        .addMethod(
          getWatchHealthMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              hero.supervisor.v1.WatchHealthRequest,
              hero.supervisor.v1.WatchHealthResponse>(
                service, METHODID_WATCH_HEALTH)))
        .addMethod(
          getSubmitJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.SubmitJobRequest,
              hero.supervisor.v1.SubmitJobResponse>(
                service, METHODID_SUBMIT_JOB)))
        .addMethod(
          getSubmitJobsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.SubmitJobsRequest,
              hero.supervisor.v1.SubmitJobsResponse>(
                service, METHODID_SUBMIT_JOBS)))
        .addMethod(
          getRunJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.RunJobRequest,
              hero.supervisor.v1.RunJobResponse>(
                service, METHODID_RUN_JOB)))
        .addMethod(
          getAwaitJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.AwaitJobRequest,
              hero.supervisor.v1.AwaitJobResponse>(
                service, METHODID_AWAIT_JOB)))
        .addMethod(
          getGetJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.GetJobRequest,
              hero.supervisor.v1.GetJobResponse>(
                service, METHODID_GET_JOB)))
        .addMethod(
          getListJobsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListJobsRequest,
              hero.supervisor.v1.ListJobsResponse>(
                service, METHODID_LIST_JOBS)))
        .addMethod(
          getExplainJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ExplainJobRequest,
              hero.supervisor.v1.ExplainJobResponse>(
                service, METHODID_EXPLAIN_JOB)))
        .addMethod(
          getCancelJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.CancelJobRequest,
              hero.supervisor.v1.CancelJobResponse>(
                service, METHODID_CANCEL_JOB)))
        .addMethod(
          getUpdateJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.UpdateJobRequest,
              hero.supervisor.v1.UpdateJobResponse>(
                service, METHODID_UPDATE_JOB)))
        .addMethod(
          getRetryJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.RetryJobRequest,
              hero.supervisor.v1.RetryJobResponse>(
                service, METHODID_RETRY_JOB)))
        .addMethod(
          getDeleteJobMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.DeleteJobRequest,
              hero.supervisor.v1.DeleteJobResponse>(
                service, METHODID_DELETE_JOB)))
        .addMethod(
          getWatchJobMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              hero.supervisor.v1.WatchJobRequest,
              hero.supervisor.v1.WatchJobResponse>(
                service, METHODID_WATCH_JOB)))
        .addMethod(
          getWatchEventsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              hero.supervisor.v1.WatchEventsRequest,
              hero.supervisor.v1.WatchEventsResponse>(
                service, METHODID_WATCH_EVENTS)))
        .addMethod(
          getListEventsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListEventsRequest,
              hero.supervisor.v1.ListEventsResponse>(
                service, METHODID_LIST_EVENTS)))
        .addMethod(
          getListIdentitiesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListIdentitiesRequest,
              hero.supervisor.v1.ListIdentitiesResponse>(
                service, METHODID_LIST_IDENTITIES)))
        .addMethod(
          getListAuditEntriesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              hero.supervisor.v1.ListAuditEntriesRequest,
              hero.supervisor.v1.ListAuditEntriesResponse>(
                service, METHODID_LIST_AUDIT_ENTRIES)))
        .build();
  }

  private static abstract class SupervisorBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    SupervisorBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return hero.supervisor.v1.SupervisorServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("Supervisor");
    }
  }

  private static final class SupervisorFileDescriptorSupplier
      extends SupervisorBaseDescriptorSupplier {
    SupervisorFileDescriptorSupplier() {}
  }

  private static final class SupervisorMethodDescriptorSupplier
      extends SupervisorBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    SupervisorMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (SupervisorGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new SupervisorFileDescriptorSupplier())
              .addMethod(getGetServerInfoMethod())
              .addMethod(getCreateLoginCodeMethod())
              .addMethod(getCreateActorMethod())
              .addMethod(getGetActorMethod())
              .addMethod(getListActorsMethod())
              .addMethod(getUpdateActorMethod())
              .addMethod(getDeleteActorMethod())
              .addMethod(getStartActorMethod())
              .addMethod(getStopActorMethod())
              .addMethod(getRestartActorMethod())
              .addMethod(getStartActorsMethod())
              .addMethod(getStopActorsMethod())
              .addMethod(getRestartActorsMethod())
              .addMethod(getStreamActorLogsMethod())
              .addMethod(getListNodesMethod())
              .addMethod(getListScriptTypesMethod())
              .addMethod(getGetScriptTypeMethod())
              .addMethod(getUpdateScriptTypeMethod())
              .addMethod(getScaleActorsMethod())
              .addMethod(getPauseQueueMethod())
              .addMethod(getResumeQueueMethod())
              .addMethod(getPurgeQueueMethod())
              .addMethod(getCreateQueueMethod())
              .addMethod(getGetQueueMethod())
              .addMethod(getUpdateQueueMethod())
              .addMethod(getListQueuesMethod())
              .addMethod(getDeleteQueueMethod())
              .addMethod(getCheckHealthMethod())
              .addMethod(getWatchHealthMethod())
              .addMethod(getSubmitJobMethod())
              .addMethod(getSubmitJobsMethod())
              .addMethod(getRunJobMethod())
              .addMethod(getAwaitJobMethod())
              .addMethod(getGetJobMethod())
              .addMethod(getListJobsMethod())
              .addMethod(getExplainJobMethod())
              .addMethod(getCancelJobMethod())
              .addMethod(getUpdateJobMethod())
              .addMethod(getRetryJobMethod())
              .addMethod(getDeleteJobMethod())
              .addMethod(getWatchJobMethod())
              .addMethod(getWatchEventsMethod())
              .addMethod(getListEventsMethod())
              .addMethod(getListIdentitiesMethod())
              .addMethod(getListAuditEntriesMethod())
              .build();
        }
      }
    }
    return result;
  }
}
