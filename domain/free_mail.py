"""Mail providers anybody can have an address with: their domains are nobody's own (rule own-domain).

Facts, by provider: the domains that each hands out, or did, so that people still have them. A domain that is missing here is taken
for an account's own as soon as the account lists it, and everybody on it is kept out of the timelines.
"""

from __future__ import annotations

# Names that a provider hands out under many endings.
_UNDER_MANY_ENDINGS = {
    # Microsoft
    "hotmail": """com at be ca ch cl cz de dk es fi fr gr hu it lt lv my nl no ph rs se sg sk co.id co.il co.in co.jp co.kr co.nz
        co.th co.uk co.za com.ar com.au com.br com.hk com.mx com.tr com.tw com.vn""",
    "outlook": """com at be cl cz de dk es fr hu ie in it jp kr lv my ph pt sa sg sk co co.id co.il co.nz co.th co.uk com.ar
        com.au com.br com.gr com.hr com.pe com.py com.tr com.ua com.vn""",
    "live": """com at be ca cl cn de dk fi fr hk ie in it jp nl no ru se co.in co.jp co.kr co.uk co.za com.ar com.au com.mx com.my
        com.ph com.pt com.sg""",
    # Yahoo, and AOL with it
    "yahoo": """com at be bg ca cl cn cz de dk ee es fi fr gr hr hu ie in it lt lv nl no pl pt ro rs se si sk co.id co.il co.in
        co.jp co.kr co.nz co.th co.uk co.za com.ar com.au com.br com.cn com.co com.hk com.hr com.mx com.my com.pe com.ph com.sg
        com.tr com.tw com.ua com.ve com.vn""",
    "aol": "com at be ca ch cl cz de dk es fi fr hk in it jp kr nl pl ru se co.nz co.uk com.ar com.au com.br com.co com.mx com.tr",
    # 1&1
    "gmx": "com at biz ca ch cn co.in co.uk com.br com.tr de es eu fr hk ie info it li lu net org ph pt ru se sg tm tw us xyz",
    # Yandex
    "yandex": "ru com by kz ua az md uz com.am com.ge com.tr co.il fr ee lt lv tj tm",
}

_ALONE = """
    gmail.com googlemail.com
    msn.com windowslive.com passport.com livemail.tw
    ymail.com rocketmail.com myyahoo.com aim.com netscape.net verizon.net
    icloud.com me.com mac.com
    proton.me protonmail.com protonmail.ch pm.me
    web.de mail.com email.com usa.com post.com consultant.com engineer.com
    t-online.de magenta.de freenet.de arcor.de online.de vodafone.de kabelmail.de posteo.de posteo.net mailbox.org
    mail.de email.de tutanota.com tutanota.de tutamail.com tuta.io tuta.com keemail.me
    zoho.com zohomail.com zohomail.eu zohomail.in fastmail.com fastmail.fm hushmail.com runbox.com mailfence.com startmail.com
    disroot.org riseup.net duck.com hey.com lycos.com inbox.com inbox.lv
    mail.ru bk.ru inbox.ru list.ru internet.ru ya.ru rambler.ru lenta.ru ukr.net i.ua meta.ua
    qq.com foxmail.com 163.com 126.com yeah.net 139.com 189.cn sina.com sina.cn sohu.com aliyun.com tom.com
    naver.com hanmail.net daum.net kakao.com nate.com docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp
    rediffmail.com indiatimes.com
    laposte.net orange.fr wanadoo.fr free.fr sfr.fr neuf.fr bbox.fr numericable.fr club-internet.fr aliceadsl.fr voila.fr
    libero.it virgilio.it tiscali.it alice.it tin.it tim.it inwind.it iol.it fastwebnet.it
    telefonica.net terra.es ono.com sapo.pt iol.pt clix.pt
    bluewin.ch hispeed.ch sunrise.ch a1.net aon.at
    telenet.be skynet.be proximus.be pandora.be scarlet.be voo.be
    ziggo.nl kpnmail.nl kpnplanet.nl planet.nl hetnet.nl home.nl xs4all.nl casema.nl upcmail.nl quicknet.nl telfort.nl
    tele2.nl zonnet.nl
    btinternet.com btopenworld.com sky.com talktalk.net talk21.com virginmedia.com virgin.net ntlworld.com blueyonder.co.uk
    tiscali.co.uk plusnet.com eircom.net
    telia.com comhem.se bredband.net spray.se online.no broadpark.no mail.dk stofanet.dk kolumbus.fi luukku.com suomi24.fi
    seznam.cz email.cz centrum.cz post.cz volny.cz centrum.sk azet.sk zoznam.sk pobox.sk
    wp.pl o2.pl onet.pl onet.eu op.pl poczta.onet.pl interia.pl interia.eu gazeta.pl tlen.pl vp.pl
    freemail.hu citromail.hu t-online.hu abv.bg mail.bg otenet.gr forthnet.gr walla.co.il walla.com mynet.com
    comcast.net xfinity.com att.net sbcglobal.net bellsouth.net ameritech.net pacbell.net swbell.net cox.net charter.net
    spectrum.net rr.com roadrunner.com optonline.net earthlink.net juno.com netzero.net frontier.com windstream.net centurylink.net
    rogers.com shaw.ca sympatico.ca bell.net telus.net videotron.ca cogeco.ca
    bigpond.com bigpond.net.au optusnet.com.au iinet.net.au tpg.com.au xtra.co.nz
    uol.com.br bol.com.br terra.com.br ig.com.br globo.com globomail.com oi.com.br prodigy.net.mx fibertel.com.ar speedy.com.ar
    arnet.com.ar mweb.co.za telkomsa.net vodamail.co.za
"""

FREE_MAIL = frozenset(_ALONE.split() + [f"{name}.{ending}" for name, endings in _UNDER_MANY_ENDINGS.items() for ending in endings.split()])
"""Mail domains that are nobody's own, in lower case."""
