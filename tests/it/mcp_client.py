"""A client of the Model Context Protocol by the official Python SDK, for the tests.

    mcp_client.py legacy|auto http://127.0.0.1:PORT/mcp
    mcp_client.py legacy|auto PROGRAM ARGUMENT...

Asks for everything once, and prints what it found as one JSON object. The SDK itself checks each answer of a tool against
the tool's own schema.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp.types import PromptReference, ResourceTemplateReference


async def main(mode, target):
    server = target[0]
    if not server.startswith("http"):
        server = StdioServerParameters(command=target[0], args=target[1:])
    heard = []

    async def progress(seconds, _total, _message):
        heard.append(seconds)

    async with Client(server, mode=mode) as client:
        tools = (await client.list_tools()).tools
        trend = await client.call_tool("get_cost_trend", {"days": 7})
        wrong = await client.call_tool("get_cost_trend", {"dais": 7})
        slow = {"query": "SELECT count(*) FROM range(20000000000) a WHERE (a.range * 7) % 11 = 3", "timeout": 2.5}
        late = await client.call_tool("run_sql", slow, progress_callback=progress)
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        status = await client.read_resource("costs://status")
        prompts = (await client.list_prompts()).prompts
        prompt = await client.get_prompt("month_report", {"month": "2026-02"})
        service = await client.complete(PromptReference(name="is_this_normal"), {"name": "service", "value": "AmazonE"})
        template = ResourceTemplateReference(uri=templates[0].uri_template)
        incident = await client.complete(template, {"name": "id", "value": ""})
        found = {
            "protocol": client.protocol_version,
            "server": client.server_info.name,
            "tools": [tool.name for tool in tools],
            "total": trend.structured_content["total"],
            "text": trend.content[0].text.splitlines()[0],
            "wrong": [wrong.is_error, wrong.content[0].text.splitlines()[0]],
            "late": [late.is_error, late.content[0].text.splitlines()[0]],
            "progress": len(heard) > 0,
            "resources": [str(resource.uri) for resource in resources],
            "status": "freshness of cur2" in status.contents[0].text,
            "prompts": [prompt.name for prompt in prompts],
            "prompt": "2026-02" in prompt.messages[0].content.text,
            "services": service.completion.values,
            "incidents": len(incident.completion.values),
        }
    print(json.dumps(found))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
