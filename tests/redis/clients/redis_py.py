"""What programs do with the `redis` package of Python, done to a taraflow cluster.

Usage: redis_py.py PORT [PORT ...], the clients' ports of its replicas. Ends with code 0 if all held.
"""

import sys
import threading

import redis


def defaults(ports):
    client = redis.Redis(port=ports[0])
    assert client.ping()
    assert client.set("greeting", "hello")
    assert client.get("greeting") == b"hello"
    assert client.get("nothing") is None
    assert client.delete("greeting", "nothing") == 1
    assert client.set("once", "1", nx=True) and client.set("once", "2", nx=True) is None
    assert client.info()["redis_version"]
    try:
        client.lpush("once", "x")
        raise AssertionError("a string was taken for a list")
    except redis.ResponseError as error:
        assert "WRONGTYPE" in str(error)


def kinds(ports):
    client = redis.Redis(port=ports[0], decode_responses=True)
    assert client.hset("h", mapping={"a": "1", "b": "2"}) == 2
    assert client.hgetall("h") == {"a": "1", "b": "2"}
    assert client.rpush("l", "x", "y", "z") == 3
    assert client.lrange("l", 0, -1) == ["x", "y", "z"]
    assert client.sadd("s", "m", "n") == 2
    assert client.smembers("s") == {"m", "n"}
    assert client.zadd("z", {"one": 1, "two": 2.5}) == 2
    assert client.zrange("z", 0, -1, withscores=True) == [("one", 1.0), ("two", 2.5)]
    assert client.zscore("z", "two") == 2.5
    assert client.incrby("n", 41) == 41 and client.incr("n") == 42
    assert client.mget("n", "nothing") == ["42", None]
    assert sorted(client.scan_iter("h*")) == ["h"]
    assert client.exists("h", "l", "nothing") == 2
    assert client.type("z") == "zset"


def pipelines(ports):
    client = redis.Redis(port=ports[1], decode_responses=True)
    pipe = client.pipeline(transaction=False)
    for number in range(1000):
        pipe.set(f"p:{number}", number)
        pipe.get(f"p:{number}")
    answers = pipe.execute()
    assert answers[1::2] == [str(number) for number in range(1000)]
    pipe = client.pipeline()
    pipe.set("t", "1").incr("t").hget("t", "f").get("t")
    answers = pipe.execute(raise_on_error=False)
    assert answers[:2] == [True, 2] and answers[3] == "2"
    assert isinstance(answers[2], redis.ResponseError)


def watched(ports):
    """Many clients of all replicas add to one number, none of them blindly."""

    def add(port):
        client = redis.Redis(port=port)
        for _ in range(20):
            client.transaction(lambda pipe: bump(pipe), "account")

    def bump(pipe):
        value = int(pipe.get("account") or 0)
        pipe.multi()
        pipe.set("account", value + 1)

    threads = [threading.Thread(target=add, args=(port,)) for port in ports for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = int(redis.Redis(port=ports[0]).get("account"))
    assert found == 20 * len(threads), found

    client = redis.Redis(port=ports[0])
    with client.pipeline() as pipe:
        pipe.watch("account")
        redis.Redis(port=ports[1]).incr("account")
        pipe.multi()
        pipe.set("account", 0)
        try:
            pipe.execute()
            raise AssertionError("a change went unnoticed")
        except redis.WatchError:
            pass


def protocol_3(ports):
    client = redis.Redis(port=ports[2], protocol=3, decode_responses=True)
    assert client.hset("h3", "f", "v") == 1
    assert client.hgetall("h3") == {"f": "v"}
    assert client.sadd("s3", "m") == 1
    assert client.smembers("s3") in ({"m"}, ["m"])
    assert client.zadd("z3", {"m": 1.5}) == 1
    assert client.zscore("z3", "m") == 1.5
    assert client.get("nothing") is None


def names_and_health(ports):
    pool = redis.ConnectionPool(
        port=ports[0], client_name="newcomer", health_check_interval=1, max_connections=4
    )
    client = redis.Redis(connection_pool=pool)
    assert client.client_getname() in ("newcomer", b"newcomer")
    assert client.client_id() > 0
    assert client.echo("hi") == b"hi"
    assert client.dbsize() >= 0
    assert client.config_get("appendonly")
    pool.disconnect()


def main():
    ports = [int(word) for word in sys.argv[1:]]
    redis.Redis(port=ports[0]).flushall()
    for part in (defaults, kinds, pipelines, watched, protocol_3, names_and_health):
        part(ports)
        print(part.__name__, "ok")


main()
