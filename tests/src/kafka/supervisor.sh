# Runs one broker for a test process, and outlives it just long enough to clean up: when the pipe on standard input
# closes (the process ended, in whatever way), the broker is killed and its folder removed.
#
# Arguments: the folder, the file for the broker's console output, then the broker's command.
# Reads: START, or the name of a signal. Writes: STARTED, STOPPED, and the exit status whenever the broker ends.
folder=$1
console=$2
shift 2

# If the test process ends while a broker is paused, the system sends SIGHUP to all of this process group: it has become
# an orphan with a stopped member.
trap '' HUP

while read -r word; do
    case $word in
    START)
        {
            "$@" </dev/null >>"$console" 2>&1 &
            echo $! >"$folder/pid"
            echo STARTED
            wait $!
            status=$?
            rm -f "$folder/pid"
            echo $status
        } 2>/dev/null &
        ;;
    STOP)
        # Whoever pauses a broker relies on its silence from then on; what the other signals do shows by itself.
        pid=$(cat "$folder/pid")
        kill -s STOP "$pid" 2>/dev/null
        # The signal reaches each thread in its own time: until all of them stand still, one may answer.
        while cat /proc/"$pid"/task/*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^[^TtXZ]'; do :; done
        echo STOPPED
        ;;
    *)
        kill -s "$word" "$(cat "$folder/pid")" 2>/dev/null
        ;;
    esac
done

kill -s KILL "$(cat "$folder/pid")" 2>/dev/null
wait
rm -rf "$folder"
