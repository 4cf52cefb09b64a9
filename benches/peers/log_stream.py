#!/usr/bin/env python3
"""A stream of log lines from 36 made-up services: messages with every kind of value, access logs, JSON, logfmt, stack traces,
names and free text that never repeat. Each service writes a fixed number of statements, which is told on stderr.

usage: log_stream.py [--lines N] [--seed N] > FILE
"""
import argparse, json, random, sys

SERVICES = """checkout cart catalog payment shipping search recommender users sessions mailer billing ledger invoices stock pricing
gateway ingress scheduler worker indexer importer exporter archiver notifier auth tokens audit backup replicator compactor
cache broker consumer registry resolver proxy""".split()
VERBS = "received sent started finished rejected retried cancelled loaded stored flushed rotated opened closed expired refreshed dropped".split()
THINGS = "request order message batch session connection segment file snapshot lease token record partition job query invoice".split()
ENDS = ["without delay", "as expected", "after review", "on behalf of owner", "due to policy", "in strict mode", "for later use", "by timer"]
STATES = "PENDING ACTIVE FAILED DONE LOST".split()
SYLLABLES = "ba be bi bo da de di do fa fe ga go ka ke la le lo ma me mi na ne no pa pe ra re ri ro sa se so ta te ti to va ve vi zo".split()


def word(r):
    return "".join(r.choice(SYLLABLES) for _ in range(r.randint(2, 4)))


def hexadecimal(r, n):
    return f"{r.getrandbits(4 * n):0{n}x}"


VALUES = {
    "count": lambda r: str(r.randint(0, 100_000)),
    "ms": lambda r: f"{r.uniform(0, 900):.2f}ms",
    "address": lambda r: f"10.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}:{r.randint(1024, 65535)}",
    "uuid": lambda r: "-".join(hexadecimal(r, n) for n in (8, 4, 4, 4, 12)),
    "path": lambda r: "/var/lib/" + "/".join(word(r) for _ in range(r.randint(1, 4))) + ".db",
    "user": word,
    "pod": lambda r: f"{r.choice(SERVICES)}-{hexadecimal(r, 9)}-{hexadecimal(r, 5)}",
    "host": lambda r: f"node-{r.randint(1, 60):03}.eu-west-{r.randint(1, 3)}.internal",
    "size": lambda r: f"{r.uniform(0, 999):.1f} {r.choice(['KB', 'MB', 'GB'])}",
    "list": lambda r: "[" + ",".join(str(r.randint(1, 99)) for _ in range(r.randint(1, 12))) + "]",
    "state": lambda r: r.choice(STATES),
    "mail": lambda r: f"{word(r)}@{word(r)}.example",
    "text": lambda r: '"' + " ".join(word(r) for _ in range(r.randint(1, 7))) + '"',
}


def statements(r, service):
    """What a service writes: functions of the dice."""
    made = []
    for number in range(r.randint(12, 30)):
        verb, thing, end = r.choice(VERBS), r.choice(THINGS), r.choice(ENDS)
        kinds = r.sample(sorted(VALUES), r.randint(1, 3))
        form = r.randrange(8)

        def write(d, form=form, verb=verb, thing=thing, end=end, kinds=kinds, number=number):
            values = [(kind, VALUES[kind](d)) for kind in kinds]
            if form == 0:
                return json.dumps({"ts": d.random(), "level": "info", "msg": f"{thing} {verb} {end}", **dict(values)})
            if form == 1:
                return f'level=info msg="{thing} {verb} {end}" ' + " ".join(f"{k}={v.replace(' ', '_')}" for k, v in values)
            if form == 2:
                return f"{verb} {thing} " + " ".join(f"{k}={v}" for k, v in values)
            if form == 3:
                return f"{thing.capitalize()} {VALUES['uuid'](d)} {verb} {end}: " + ", ".join(f"{k} {v}" for k, v in values)
            if form == 4:
                return (f'{VALUES["address"](d).split(":")[0]} - - "GET /{service}/{thing}/{d.randint(1, 9999)} HTTP/1.1" '
                        f"{d.choice([200, 200, 200, 404, 500])} {d.randint(100, 90000)}")
            if form == 5:
                return f"\tat com.example.{service}.{thing.capitalize()}.{verb}({thing.capitalize()}.java:{d.randint(10, 900)})"
            if form == 6:
                return f"ERROR {verb} {thing} {end}, " + " ".join(v for _, v in values) + f" (attempt {d.randint(1, 5)})"
            return f"{service}[{d.randint(100, 32000)}]: {thing} {verb} {end} after {VALUES['ms'](d)}"
        made.append(write)
    return made


def lines(count, seed):
    """The lines, and how many statements write them."""
    r = random.Random(seed)
    services = [statements(r, service) for service in SERVICES]
    d = random.Random(seed + 1)
    weights = [1 / (1 + i) for i in range(40)]

    def stream():
        for _ in range(count):
            made = d.choice(services)
            yield d.choices(made, weights[:len(made)])[0](d)
    return stream(), sum(map(len, services))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--lines", type=int, default=1_000_000), p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    stream, written = lines(a.lines, a.seed)
    sys.stdout.writelines(line + "\n" for line in stream)
    print(f"{len(SERVICES)} services, {written} statements", file=sys.stderr)


if __name__ == "__main__":
    main()
