from faust_microbatch import Config, create_app

app = create_app(Config(group="first-seen", bootstrap_servers="127.0.0.1:9092"))
seen = app.Table("seen", partitions=4)


@app.agent(app.topic("events"))
async def first_seen(stream):
    async for batch in stream:
        known = seen.of(batch)  # the table's part of this partition
        new = {}
        for record in batch.records:
            if record.key not in known:
                new.setdefault(record.key, record)
        batch.send("first", new.values(), partition=batch.partition)
        known.put(dict.fromkeys(new, b""))
