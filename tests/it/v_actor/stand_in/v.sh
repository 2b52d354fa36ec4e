#!/bin/sh
# Answers as V does, and makes programs that run shell scripts. A line `#v NAME` in a script lets it fail as V and the C
# compilers behind it fail, in their words.
callers_path=$PATH
PATH=/usr/local/bin:/usr/bin:/bin
here=$(dirname "$0")
[ "$1" = version ] && { echo "V 0.4.11 84ed4ff"; exit 0; }
mode=B
while [ $# -gt 0 ]; do
    case "$1" in
        -o) out=$2; shift ;;
        -d) [ "$2" = builtin_write_buf_to_fd_should_use_c_write ] && mode=L; shift ;;
        -g | -prod) ;;
        -*) echo "Unknown argument \`$1\`" >&2; exit 1 ;;
        *) source=$1 ;;
    esac
    shift
done
echo "$source" >> "$here/compilations"
echo "$VMODULES $VCACHE" >> "$here/environments"

c_failed() {
    printf '================== C compilation error (from %s): ==============\n' "$1" >&2
    printf '%s\n' "$2" | sed 's/^/cc: /' >&2
    cat >&2 <<END
=================================================================
(You can pass \`-cg\`, or \`-show-c-output\` as well, to print all the C error messages).
builder error: 
==================
C error found. It should never happen, when compiling pure V code.
This is a V compiler bug, please report it using \`v bug file.v\`,
END
    exit 1
}

grep -q SYNTAX "$source" && { printf 'main.v:2:5: error: unexpected SYNTAX\n    1 | x\n' >&2; exit 1; }
c=$VTMP/v_0/main.tmp.c
case "$(sed -n 's/^#v //p' "$source" | head -n 1)" in
    import)
        printf 'main.v:1:1: builder error: cannot import module "nosuchmodule" (not found)\n    1 | import nosuchmodule\n' >&2
        exit 1 ;;
    warnings)
        n=0; while [ $n -lt 30 ]; do n=$((n + 1)); echo "main.v:$n:1: warning: unused variable: \`x$n\`" >&2; done
        printf 'main.v:31:3: error: undefined ident: `y`\n   31 |   y\n' >&2
        exit 1 ;;
    crash) kill -SEGV $$ ;;
    gcc) c_failed cc "$c:12484:9: error: unknown type name 'nothere_t'" ;;
    tcc) c_failed tcc "$c:1482: error: field not found: a" ;;
    link) c_failed cc "main.tmp.c:(.text+0x1f): undefined reference to \`no_such_function_xyz'
collect2: error: ld returned 1 exit status" ;;
    tcc-link) c_failed tcc "tcc: error: 'GC_noop1_ptr' defined twice
tcc: error: undefined symbol 'no_such_function_xyz'" ;;
esac
if ! PATH=$callers_path command -v cc >/dev/null; then
    cat >&2 <<END
builder error: C compiler error, while attempting to run: 
-----------------------------------------------------------
'cc' -o '$out' '$c'
-----------------------------------------------------------
Probably your C compiler is missing. 
Please reinstall it, or make it available in your PATH.
END
    exit 1
fi
[ -e "$here/full-gcc" ] && c_failed cc "$c:12524:1: fatal error: error writing to $VTMP/x.s: No space left on device"

# The health check is a real script in V.
if grep -q "^println('pong')" "$source"; then script='echo pong'; else script=$(cat "$source"; echo .); script=${script%.}; fi
length=$(printf %s "$script" | wc -c)
{ cat "$here/launcher"; printf %s "$script"; printf '%016x%s' "$length" "$mode"; } > "$out"
chmod 755 "$out"
# tcc does not notice that the disk is full.
[ -e "$here/full" ] && { head -c 6000 "$out" > "$out.half"; cat "$out.half" > "$out"; rm "$out.half"; }
exit 0
