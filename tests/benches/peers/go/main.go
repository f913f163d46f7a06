// franz-go: the same command line, payloads and report as every contender; see harness/src.
//
// A value stays the program's, as everywhere, so that franz-go, which keeps it until it is sent, is given a copy. It
// learns of the topic with the first record: nothing makes it ask earlier.
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	seed   = uint64(0x9E37_79B9_7F4A_7C15)
	values = 1024
	text   = `{"sensor":"boiler-7","unit":"degC","quality":"good"}`
)

var (
	bootstrap   = flag.String("bootstrap", "127.0.0.1:9092", "host:port")
	topic       = flag.String("topic", "bench", "it exists")
	_           = flag.Int("partitions", 6, "how many partitions the topic has")
	records     = flag.Int("records", 100_000, "how many records are sent, by all threads together")
	size        = flag.Int("size", 100, "bytes of a value")
	keys        = false
	mode        = flag.String("mode", "forget", "forget, callback, sync or rate")
	threads     = flag.Int("threads", 1, "how many goroutines send")
	rate        = flag.Int("rate", 100, "records a second")
	lingerMs    = flag.Int("linger-ms", 5, "linger.ms")
	compression = flag.String("compression", "none", "compression.type")
	batchBytes  = flag.Int("batch-bytes", 128*1024, "batch.size")
	bufferBytes = flag.Int("buffer-bytes", 32*1024*1024, "buffer.memory")
)

// random is xorshift: its numbers make the values, and are the keys.
type random uint64

func (r *random) next() uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r)
}

func payloads() [][]byte {
	random := random(seed)
	payloads := make([][]byte, values)
	for i := range payloads {
		payloads[i] = make([]byte, *size)
		for at := range payloads[i] {
			next := random.next()
			if at < *size/2 {
				payloads[i][at] = byte(next >> 24)
			} else {
				payloads[i][at] = text[at%len(text)]
			}
		}
	}
	return payloads
}

type usage struct {
	user, system float64
	waits        int64
}

func used() usage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return usage{seconds(u.Utime), seconds(u.Stime), u.Nvcsw}
}

// status is a line of /proc/self/status, in KiB; 0 where there is none.
func status(name string) (kib int) {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, name+" %d", &kib)
	}
	return kib
}

func quantile(latencies []time.Duration, share float64) string {
	if len(latencies) == 0 {
		return "null"
	}
	at := min(int(float64(len(latencies))*share), len(latencies)-1)
	return fmt.Sprintf("%.1f", float64(latencies[at].Nanoseconds())/1e3)
}

func main() {
	flag.Func("keys", "true: each record has a random key", func(value string) error {
		_, err := fmt.Sscan(value, &keys)
		return err
	})
	flag.Parse()
	if flag.NArg() != 0 {
		panic(fmt.Sprintf("there is no option %s", flag.Arg(0)))
	}
	if !slices.Contains([]string{"forget", "callback", "sync", "rate"}, *mode) {
		panic(fmt.Sprintf("franz-go has no mode %s", *mode))
	}
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	codec, known := codecs[*compression]
	if !known {
		panic(fmt.Sprintf("franz-go has no %s", *compression))
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*bootstrap),
		kgo.DefaultProduceTopic(*topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerLinger(time.Duration(*lingerMs)*time.Millisecond),
		kgo.ProducerBatchMaxBytes(int32(*batchBytes)),
		kgo.MaxBufferedBytes(*bufferBytes),
		kgo.MaxBufferedRecords(max(100_000, *bufferBytes/(*size+70))),
	)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	// Connects, and is needed before the first record.
	if _, _, err := client.ProducerID(ctx); err != nil {
		panic(err)
	}

	payloads := payloads()
	var acknowledged, failed atomic.Int64
	count := func(_ *kgo.Record, err error) {
		if err == nil {
			acknowledged.Add(1)
		} else {
			failed.Add(1)
		}
	}
	var latencies []time.Duration
	if *mode == "sync" {
		if *threads != 1 {
			panic("one thread sends one at a time")
		}
		latencies = make([]time.Duration, 0, *records)
	}
	before, begun := used(), time.Now()
	send := func(thread int) {
		keyed := random(seed + uint64(thread))
		for i := thread; i < *records; i += *threads {
			if *mode == "rate" {
				due := time.Duration(float64(i) / float64(*rate) * 1e9)
				time.Sleep(time.Until(begun.Add(due)))
			}
			record := &kgo.Record{Value: slices.Clone(payloads[i%values])}
			if keys {
				record.Key = binary.BigEndian.AppendUint64(nil, keyed.next())
			}
			if *mode == "sync" {
				sent := time.Now()
				count(nil, client.ProduceSync(ctx, record).FirstErr())
				latencies = append(latencies, time.Since(sent))
			} else {
				client.Produce(ctx, record, count)
			}
		}
	}
	var wait sync.WaitGroup
	for thread := range *threads {
		wait.Go(func() { send(thread) })
	}
	wait.Wait()
	if err := client.Flush(ctx); err != nil {
		panic(err)
	}

	seconds, after := time.Since(begun).Seconds(), used()
	user, system := after.user-before.user, after.system-before.system
	slices.Sort(latencies)
	fmt.Printf(`{"records":%d,"acknowledged":%d,"failed":%d,"seconds":%.6f,"user":%.6f,"system":%.6f,`+
		`"cpu_ns":%.2f,"waits":%d,"rss_kib":%d,"peak_kib":%d,"p50_us":%s,"p99_us":%s,"p999_us":%s}`+"\n",
		*records, acknowledged.Load(), failed.Load(), seconds, user, system,
		(user+system)*1e9/float64(*records), after.waits-before.waits, status("VmRSS:"), status("VmHWM:"),
		quantile(latencies, 0.5), quantile(latencies, 0.99), quantile(latencies, 0.999))
}
