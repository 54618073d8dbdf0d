#!/bin/sh
# Stands for Docker where a test is about the suite's side of it: runs the server that $SERVER
# names, and notes in $CONTAINERS what is there.
case $1 in
info) echo 'Docker Desktop' ;;
run)
    echo "$*" >> "$CONTAINERS/run"
    [ "$2" = --name ] && : > "$CONTAINERS/$3"
    VAULT_ADDR=$(echo "$VAULT_ADDR" | sed s/host.docker.internal/127.0.0.1/)
    export VAULT_ADDR
    exec "$SERVER" stdio
    ;;
rm) rm "FOLDER/$3" ;;
esac
