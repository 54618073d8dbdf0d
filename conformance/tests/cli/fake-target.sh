#!/bin/sh
# A small MCP server over stdio, which refuses every call. Its argument says what it does wrong:
# `noise`, `leak`, `die`, `hang`, `kill` (what the command in $NOTES/kill ends), or nothing at
# all; a second one, from which call of all scenarios on. `kill-early` is `kill` before the first
# scenario. It leaves its process id and token in $NOTES.
: > "$NOTES/$$.pid"
echo "$VAULT_TOKEN" >> "$NOTES/tokens"

answer() {
    printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"
}

refuse() {
    answer '{"isError":true,"content":[{"type":"text","text":"'"$1"'"}]}'
}

wrong=
while read -r line; do
    id=${line#*'"id":'}
    id=${id%%[!0-9]*}
    case $line in
    *'"method":"initialize"'*)
        answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"fake","version":"1.2.3"}}'
        ;;
    *'"method":"tools/list"'*)
        answer '{"tools":[{"name":"read_secret","inputSchema":{"type":"object"}},{"name":"spare","inputSchema":{"type":"object"}}]}'
        ;;
    *'"method":"tools/call"'*-check-*)
        # The suite tries out the adapter, before any scenario runs.
        [ "$1" = kill-early ] && sh "$NOTES/kill"
        refuse 'permission denied'
        ;;
    *'"method":"tools/call"'*)
        calls=$(($(cat "$NOTES/calls" 2>/dev/null || echo 0) + 1))
        echo "$calls" > "$NOTES/calls"
        [ "$calls" -ge "${2:-1}" ] && wrong=$1
        case $wrong in
        noise) echo 'looking for the secret' ;;
        leak) refuse "permission denied for $VAULT_TOKEN" && continue ;;
        die) exit 7 ;;
        kill) sh "$NOTES/kill" ;;
        hang) sleep 600 & : > "$NOTES/$!.pid"; : > "$NOTES/hanging"; wait ;;
        esac
        refuse 'permission denied'
        ;;
    esac
done
