"""Writes docs/api.md from the comments of the contract: apidoc.py IMAGE > docs/api.md."""

import sys

from google.protobuf import descriptor_pb2 as pb

image = pb.FileDescriptorSet()
with open(sys.argv[1], "rb") as file:
    image.ParseFromString(file.read())
files = [file for file in image.file if file.package == "hero.supervisor.v1"]
comments = {}
for file in files:
    for location in file.source_code_info.location:
        if text := location.leading_comments or location.trailing_comments:
            comments[file.name, tuple(location.path)] = [line.strip() for line in text.strip().splitlines()]


def lines(file, path):
    return comments.get((file.name, path), [])


def sentence(file, path):
    """A comment as one line, for tables."""
    return " ".join(line for line in lines(file, path) if line).replace("|", "\\|").replace("<", "&lt;")


def paragraph(file, path):
    return "\n".join(lines(file, path)).replace("<", "&lt;")


def short(name):
    return name.removeprefix(".hero.supervisor.v1.").removeprefix(".")


def linked(name):
    text = short(name)
    return f"`{text}`" if text.startswith("google.") else f"[`{text}`](#{anchor(text)})"


def anchor(name):
    return name.lower().replace(".", "")


SCALARS = {pb.FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}"): name
           for name in ("double", "float", "int64", "uint64", "int32", "bool", "string", "bytes", "uint32")}


def kind(field, message):
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith("." + nested.name):
            key, value = nested.field
            return f"map of {kind(key, nested)} to {kind(value, nested)}"
    text = f"`{SCALARS[field.type]}`" if field.type in SCALARS else linked(field.type_name)
    if field.label == field.LABEL_REPEATED:
        return f"list of {text}"
    return f"{text}, optional" if field.proto3_optional else text


def enum(file, value, path, name, out):
    out += [f"### {name}", "", paragraph(file, path), "", "| Value | Number | |", "|---|---|---|"]
    for index, item in enumerate(value.value):
        out.append(f"| `{item.name}` | {item.number} | {sentence(file, (*path, 2, index))} |")
    out.append("")


def message(file, value, path, name, out):
    if value.options.map_entry:
        return
    out += [f"### {name}", "", paragraph(file, path), ""]
    if value.field:
        out += ["| Field | Type | |", "|---|---|---|"]
        for index, field in enumerate(value.field):
            group = ""
            if field.HasField("oneof_index") and not field.proto3_optional:
                group = f" (one of `{value.oneof_decl[field.oneof_index].name}`)"
            about = sentence(file, (*path, 2, index))
            out.append(f"| `{field.name}` | {kind(field, value)}{group} | {about} |")
        out.append("")
    for index, nested in enumerate(value.nested_type):
        message(file, nested, (*path, 3, index), f"{name}.{nested.name}", out)
    for index, nested in enumerate(value.enum_type):
        enum(file, nested, (*path, 4, index), f"{name}.{nested.name}", out)


out = ["# The API", "", "Made from the comments of [proto/hero/supervisor/v1](../proto/hero/supervisor/v1) by `make gen`. "
       "Names in JSON are those below in camelCase.", ""]
calls, types = [], []
for file in files:
    for index, service in enumerate(file.service):
        calls += [f"## {file.package}.{service.name}", "", paragraph(file, (6, index)), "",
                  "| Call | Request | Answer | |", "|---|---|---|---|"]
        for number, method in enumerate(service.method):
            stream = "stream of " if method.server_streaming else ""
            calls.append(f"| `{method.name}` | {linked(method.input_type)} | {stream}{linked(method.output_type)} "
                         f"| {sentence(file, (6, index, 2, number))} |")
        calls.append("")
    for index, value in enumerate(file.message_type):
        message(file, value, (4, index), value.name, types)
    for index, value in enumerate(file.enum_type):
        enum(file, value, (5, index), value.name, types)
text = "\n".join([*out, *calls, "## Messages and enums", "", *types])
while "\n\n\n" in text:
    text = text.replace("\n\n\n", "\n\n")
print(text.rstrip())
