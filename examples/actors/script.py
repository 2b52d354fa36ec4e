"""Runs a Python script and tells into a pipe, in JSON lines [kind, text], what it says and how it ends."""
import ast, json, os, sys, types


def failure(kind, message, verdict="retry"):
    return [verdict, message, json.dumps({"kind": kind, "message": message})]


def run(pipe, job):
    printed = []

    def say(kind, text):
        os.write(pipe, (json.dumps([kind, text]) + "\n").encode())

    def stream(kind, rest=""):
        def write(text):
            nonlocal rest
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                say(kind, line)
                printed.extend([line] if kind == "out" else [])
        return types.SimpleNamespace(write=write, flush=lambda: None, end=lambda: rest and write("\n"))

    def progress(percent, message=""):
        say("progress", percent) if isinstance(percent, str) else say(percent, message)

    sys.stdout, sys.stderr = stream("out"), stream("err")
    os.environ.update(json.loads(job.get("env_vars") or "{}"))
    scope = {"CALLER_ID": job.get("caller_id", ""), "CONTEXT_ID": job.get("context_id", ""), "progress": progress,
             "INPUT": json.loads(job.get("input") or "null")}
    try:
        tree = ast.parse("'pong'" if job.get("kind") == "ping" else job["script"])
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<job>", "exec"), scope)
        value = eval(compile(ast.Expression(last.value), "<job>", "eval"), scope) if last else None
        sys.stdout.end(), sys.stderr.end()
        if value is None:
            end = ["ok", "\n".join(printed).strip(), "none"]
        else:
            end = ["ok", value, "text"] if isinstance(value, str) else ["ok", json.dumps(value, default=str), "json"]
    except SyntaxError as error:
        end = failure("script_invalid", str(error), "error")
    except BaseException as error:
        end = failure("script_error", str(error) or repr(error))
    say("end", end)
    os._exit(0)
