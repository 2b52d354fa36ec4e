// The runner of this client: it does what the driver of clients/conformance says, through the client as anybody uses it.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	supervisor "github.com/hero-supervisor/hero-supervisor/clients/go"
	pb "github.com/hero-supervisor/hero-supervisor/clients/go/hero/supervisor/v1"
)

type command struct {
	ID         int             `json:"id"`
	Do         string          `json:"do"`
	Address    string          `json:"address"`
	ScriptType string          `json:"scriptType"`
	Script     string          `json:"script"`
	Spec       json.RawMessage `json:"spec"`
	Input      json.RawMessage `json:"input"`
	RequestID  string          `json:"requestId"`
	JobID      string          `json:"jobId"`
	TimeoutMs  int             `json:"timeoutMs"`
	Method     string          `json:"method"`
	Request    json.RawMessage `json:"request"`
	PauseAfter int             `json:"pauseAfter"`
	Target     int             `json:"target"`
	Type       string          `json:"type"`
	Binary     string          `json:"binary"`
	JSON       json.RawMessage `json:"json"`
	CACert     string          `json:"cacert"`
	ClientCert string          `json:"clientCert"`
	ClientKey  string          `json:"clientKey"`
	Token      string          `json:"token"`
	TokenFile  string          `json:"tokenFile"`

	Queue           string `json:"queue"`
	CancelOnWaitEnd bool   `json:"cancelOnWaitEnd"`
}

type runner struct {
	mutex  sync.Mutex
	client *supervisor.Client
	active map[int]*operation
}

// operation is a command that is being done.
type operation struct {
	cancel context.CancelFunc
	resume chan struct{}
}

func main() {
	r := &runner{active: make(map[int]*operation)}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	for input.Scan() {
		var c command
		if err := json.Unmarshal(input.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "not a command:", err)
			os.Exit(2)
		}
		r.begin(c)
	}
}

func (r *runner) begin(c command) {
	switch c.Do {
	case "connect":
		client, err := supervisor.Connect(c.Address, supervisor.WithCACert(c.CACert),
			supervisor.WithClientCert(c.ClientCert, c.ClientKey), supervisor.WithToken(c.Token), supervisor.WithTokenFile(c.TokenFile))
		if err != nil {
			err = status.Error(codes.InvalidArgument, err.Error())
		} else {
			r.client = client
		}
		r.end(c, nil, err)
		return
	case "cancel", "resume":
		r.mutex.Lock()
		target := r.active[c.Target]
		r.mutex.Unlock()
		if target != nil && c.Do == "cancel" {
			target.cancel()
		} else if target != nil {
			close(target.resume)
		}
		r.end(c, nil, nil)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	if c.TimeoutMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
	}
	o := &operation{cancel: cancel, resume: make(chan struct{})}
	r.mutex.Lock()
	r.active[c.ID] = o
	r.mutex.Unlock()
	go func() {
		defer cancel()
		ok, err := r.do(ctx, c, o)
		r.end(c, ok, err)
	}()
}

func (r *runner) do(ctx context.Context, c command, o *operation) (any, error) {
	switch c.Do {
	case "run":
		options := []supervisor.RunOption{supervisor.WithSpec(func(spec *pb.JobSpec) { parse(c.Spec, spec) })}
		if c.Input != nil {
			options = append(options, supervisor.WithInput(c.Input))
		}
		if c.RequestID != "" {
			options = append(options, supervisor.WithRequestID(c.RequestID))
		}
		if c.JobID != "" {
			options = append(options, supervisor.WithJobID(c.JobID))
		}
		if c.Queue != "" {
			options = append(options, supervisor.WithQueue(c.Queue))
		}
		if c.CancelOnWaitEnd {
			options = append(options, supervisor.CancelOnWaitEnd())
		}
		scriptType := pb.ScriptType(pb.ScriptType_value[c.ScriptType])
		job, err := r.client.Run(ctx, scriptType, c.Script, options...)
		return show(job), err
	case "await":
		job, err := r.client.Await(ctx, c.JobID)
		return show(job), err
	case "result":
		job, err := r.client.Await(ctx, c.JobID)
		if err != nil {
			return nil, err
		}
		result, err := supervisor.Result(job)
		if err != nil {
			return map[string]any{"failed": err.(*supervisor.JobFailed).Job.GetError().GetKind().String()}, nil
		}
		return map[string]any{"result": result}, nil
	case "call":
		request, answer := messages(c.Method)
		parse(c.Request, request)
		err := r.client.Connection().Invoke(ctx, "/hero.supervisor.v1.Supervisor/"+c.Method, request, answer)
		return show(answer), err
	case "stream":
		return nil, r.stream(ctx, c, o)
	case "watchEvents":
		request := &pb.WatchEventsRequest{}
		parse(c.Request, request)
		i := items{c: c, o: o}
		for message, err := range r.client.WatchEvents(ctx, request) {
			if err != nil {
				return nil, err
			}
			i.tell(message)
		}
		return nil, nil
	case "watchHealth":
		request := &pb.WatchHealthRequest{}
		parse(c.Request, request)
		i := items{c: c, o: o}
		for message, err := range r.client.WatchHealth(ctx, request) {
			if err != nil {
				return nil, err
			}
			i.tell(message)
		}
		return nil, nil
	case "golden":
		fromBinary, fromJSON := message(c.Type), message(c.Type)
		bytes, err := hex.DecodeString(c.Binary)
		must(err)
		must(proto.Unmarshal(bytes, fromBinary))
		parse(c.JSON, fromJSON)
		binary, err := proto.Marshal(fromJSON)
		must(err)
		again, err := proto.Marshal(fromBinary)
		must(err)
		return map[string]any{"json": show(fromBinary), "binary": hex.EncodeToString(binary), "again": hex.EncodeToString(again)}, nil
	default:
		return nil, fmt.Errorf("unknown command %s", c.Do)
	}
}

// stream reads a stream of the generated client to its end, without resuming.
func (r *runner) stream(ctx context.Context, c command, o *operation) error {
	request, _ := messages(c.Method)
	parse(c.Request, request)
	description := &grpc.StreamDesc{ServerStreams: true}
	stream, err := r.client.Connection().NewStream(ctx, description, "/hero.supervisor.v1.Supervisor/"+c.Method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	i := items{c: c, o: o}
	for {
		_, answer := messages(c.Method)
		if err := stream.RecvMsg(answer); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
		i.tell(answer)
	}
}

// items passes on what a stream gives, and stops reading where it is told to.
type items struct {
	c     command
	o     *operation
	count int
}

func (i *items) tell(message proto.Message) {
	say(map[string]any{"id": i.c.ID, "item": show(message)})
	i.count++
	if i.count == i.c.PauseAfter {
		<-i.o.resume
	}
}

func (r *runner) end(c command, ok any, err error) {
	r.mutex.Lock()
	delete(r.active, c.ID)
	r.mutex.Unlock()
	if err == nil {
		say(map[string]any{"id": c.ID, "ok": ok})
		return
	}
	told := supervisor.ParseError(err)
	if known, isOurs := err.(*supervisor.Error); isOurs {
		told = known
	}
	refusal := ""
	switch {
	case errors.Is(told, supervisor.ErrUnauthenticated):
		refusal = "unauthenticated"
	case errors.Is(told, supervisor.ErrPermissionDenied):
		refusal = "permission_denied"
	}
	say(map[string]any{"id": c.ID, "error": map[string]any{
		"code": codeNames[told.Code], "reason": told.Reason, "message": told.Message, "refusal": refusal,
		"metadata": told.Metadata, "retryAfterMs": told.RetryAfter.Milliseconds(), "fields": told.Fields,
	}})
}

// Go spells codes in its own way.
var codeNames = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

var output sync.Mutex

func say(line map[string]any) {
	text, err := json.Marshal(line)
	must(err)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

func show(message proto.Message) json.RawMessage {
	if message == nil || !message.ProtoReflect().IsValid() {
		return json.RawMessage("null")
	}
	text, err := protojson.Marshal(message)
	must(err)
	return text
}

func parse(text json.RawMessage, into proto.Message) {
	if len(text) == 0 {
		return
	}
	fresh := into.ProtoReflect().New().Interface()
	must(protojson.Unmarshal(text, fresh))
	proto.Merge(into, fresh)
}

func message(name string) proto.Message {
	found, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	must(err)
	return found.New().Interface()
}

func messages(method string) (request, answer proto.Message) {
	service := pb.File_hero_supervisor_v1_supervisor_service_proto.Services().ByName("Supervisor")
	found := service.Methods().ByName(protoreflect.Name(method))
	return message(string(found.Input().FullName())), message(string(found.Output().FullName()))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
