"""Texts that would run a script, were a page to read them as markup, as an address or as a style; each says `window.pwned`."""

from __future__ import annotations

from collections.abc import Iterator

_ACT = "window.pwned=1"
_MARKUP = [
    "<script>{act}</script>",
    "<ScRiPt>{act}</sCrIpT>",
    "<script src=data:text/javascript,{act}></script>",
    "<script src=https://example.com/x.js></script>",
    "<img src=x onerror={act}>",
    "<img src=x onerror='{act}'//",
    "<img/src/onerror={act}>",
    "<image src=x onerror={act}>",
    "<svg onload={act}>",
    "<svg><script>{act}</script></svg>",
    "<svg/onload={act}//",
    "<svg><animate onbegin={act} attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:{act}'><text y=20>x</text></a></svg>",
    "<math><mtext><mglyph><style><img src=x onerror={act}>",
    "<body onload={act}>",
    "<iframe src=javascript:{act}>",
    "<iframe srcdoc='<script>parent.{act}</script>'>",
    "<object data=javascript:{act}>",
    "<embed src=javascript:{act}>",
    "<a href=javascript:{act}>x</a>",
    "<a href='java\tscript:{act}'>x</a>",
    "<form action=javascript:{act}><input type=submit>",
    "<button formaction=javascript:{act}>x</button>",
    "<input autofocus onfocus={act}>",
    "<select autofocus onfocus={act}>",
    "<textarea autofocus onfocus={act}>",
    "<details open ontoggle={act}>",
    "<marquee onstart={act}>",
    "<video src=x onerror={act}>",
    "<video><source onerror={act}>",
    "<audio src=x onerror={act}>",
    "<meta http-equiv=refresh content='0;url=javascript:{act}'>",
    "<meta http-equiv=refresh content='0;url=https://example.com'>",
    "<link rel=stylesheet href=https://example.com/x.css>",
    "<link rel=prefetch href=https://example.com/x>",
    "<base href=https://example.com/>",
    "<style>@import 'https://example.com/x.css';</style>",
    "<style>*{{background:url(https://example.com/x)}}</style>",
    "<div style='background:url(https://example.com/x)'>",
    "<template><script>{act}</script></template>",
    "<noscript><p title='</noscript><img src=x onerror={act}>'>",
    "<!--><img src=x onerror={act}>-->",
    "<![CDATA[<script>{act}</script>]]>",
    "<xmp><img src=x onerror={act}></xmp>",
    "<div onclick={act} style=position:fixed;inset:0>x</div>",
    "javascript:{act}",
    "data:text/html,<script>{act}</script>",
    "{{{{constructor.constructor('{act}')()}}}}",
    "${{{act}}}",
    "{{% raw %}}{{{{ self.__init__ }}}}",
]
_BEFORE = ["", '">', "'>", "</script>", "</title></style></textarea>"]


def payloads() -> Iterator[str]:
    """The corpus: each markup by itself and after what could close the place it stands in."""
    for before in _BEFORE:
        for markup in _MARKUP:
            yield before + markup.format(act=_ACT)
