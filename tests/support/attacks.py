"""Answers that try to run something on the page that shows them."""

ATTACKS = {
    "script": "<script>window.pwned = 1</script>",
    "image that fails": '<img src="x" onerror="window.pwned = 1">',
    "svg": '<svg onload="window.pwned = 1"></svg>',
    "details": '<details open ontoggle="window.pwned = 1"><summary>s</summary>t</details>',
    "frame": '<iframe srcdoc="<script>parent.pwned = 1</script>"></iframe>',
    "javascript link": "[press](javascript:window.pwned=1)",
    "javascript link in capitals": "[press](JaVaScRiPt:window.pwned=1)",
    "javascript link with an entity": "[press](java&#115;cript:window.pwned=1)",
    "javascript autolink": "<javascript:window.pwned=1>",
    "link by reference": "[press][a]\n\n[a]: javascript:window.pwned=1",
    "data link": "[press](data:text/html,<script>opener.pwned=1</script>)",
    "html link": '<a href="javascript:window.pwned=1">press</a>',
    "in a table": "| a |\n| --- |\n| <img src=x onerror='window.pwned = 1'> |",
    "in a heading": "## <img src=x onerror='window.pwned = 1'>",
    "after a fence": "```\ncode\n```\n<img src=x onerror='window.pwned = 1'>",
    "fence language": '``` "><img src=x onerror="window.pwned=1">\ncode\n```',
    "command link": '<button data-commandlinker-command="help:about">press</button>',
    "mathematics": r"$$\href{javascript:window.pwned=1}{press}$$",
    "image alternative": '![a" onerror="window.pwned=1](x "t")',
}
