package mapping

// Kind is what a file holds. The words stand in mapping files, on the command
// line and in the source names of quarantined rows.
type Kind string

// The kinds of file.
const (
	Receipts Kind = "receipts" // one row per line of a receipt
	Products Kind = "products" // the catalogue
	Stores   Kind = "stores"
	Prices   Kind = "prices"
	Stock    Kind = "stock"
	// Promotions has one row per store, week and product.
	Promotions Kind = "promotions"
	Shoppers   Kind = "shoppers" // keys that belong to one person
	Consents   Kind = "consents" // what a person agreed to
)

// Kinds lists every kind in the order in which a new installation loads them.
func Kinds() []Kind {
	return []Kind{Products, Stores, Prices, Stock, Promotions, Shoppers, Consents, Receipts}
}

// Name is a field of Endcap that a column of a file can fill.
type Name uint8

// The fields. Their words, used in mapping files, are in the table below.
const (
	Receipt Name = iota
	Version
	LineNumber
	Time
	Store
	Channel
	Currency
	Card
	Account
	EmailHash
	PhoneHash
	Device
	Product
	Quantity
	UnitPrice
	Sales
	RetailDiscount
	CouponDiscount
	CouponMatch
	GTIN
	Title
	Brand
	Department
	Category
	Type
	Size
	OwnLabel
	Zone
	Amount
	Count
	ID
	Allowed
	Wording
	TimeOfDay
	Week
	Display
	Mailer
	Refused
	TCF
	Language
	Country
	Age
	Guardian
	Trait     // the first of TraitsMax columns of text that Members reads
	NameCount = Trait + TraitsMax
)

// TraitsMax is how many columns Members reads beside keys.
const TraitsMax = 15

// Form is how the text or value of a column becomes a field's value.
type Form uint8

// The forms.
const (
	Text    Form = iota // as it stands
	Money               // retail.Micros
	Pieces              // basket.Quantity
	Instant             // microseconds since 1970
	Whole               // an integer
	Clock               // microseconds since midnight, by the wall clock
	Date                // retail.Day
)

// form and word of each field, in order.
var names = [Trait]struct {
	word string
	form Form
}{
	{"receipt", Text},
	{"version", Whole},
	{"line", Whole},
	{"time", Instant},
	{"store", Text},
	{"channel", Text},
	{"currency", Text},
	{"card", Text},
	{"account", Text},
	{"email_sha256", Text},
	{"phone_sha256", Text},
	{"device", Text},
	{"product", Text},
	{"quantity", Pieces},
	{"unit_price", Money},
	{"sales", Money},
	{"retail_discount", Money},
	{"coupon_discount", Money},
	{"coupon_match", Money},
	{"gtin", Text},
	{"name", Text},
	{"brand", Text},
	{"department", Text},
	{"category", Text},
	{"type", Text},
	{"size", Text},
	{"own_label", Text},
	{"zone", Text},
	{"amount", Money},
	{"count", Whole},
	{"id", Text},
	{"allowed", Text},
	{"wording", Text},
	{"time_of_day", Clock},
	{"week", Date},
	{"display", Text},
	{"mailer", Text},
	{"refused", Text},
	{"tcf", Text},
	{"language", Text},
	{"country", Text},
	{"age", Whole},
	{"guardian", Text},
}

// String is the field's word in a mapping file, e.g. "unit_price".
func (n Name) String() string {
	if n >= Trait {
		return "trait"
	}
	return names[n].word
}

// Form is how the field's column is read.
func (n Name) Form() Form {
	if n >= Trait {
		return Text
	}
	return names[n].form
}

// Keys lists the fields that name a shopper.
func Keys() []Name { return []Name{Card, Account, EmailHash, PhoneHash, Device} }

// kindFields says which fields a kind of file knows, and which of them every
// row must have.
func kindFields(k Kind) (required, optional []Name) {
	switch k {
	case Receipts:
		return []Name{Receipt, Time, Product},
			append(Keys(), TimeOfDay, Version, LineNumber, Store, Channel, Currency, Quantity, UnitPrice, Sales, RetailDiscount, CouponDiscount, CouponMatch)
	case Products:
		return []Name{Product}, []Name{GTIN, Title, Brand, Department, Category, Type, Size, OwnLabel, Time}
	case Stores:
		return []Name{Store}, []Name{Title, Channel, Zone, Time}
	case Prices:
		return []Name{Product, Amount}, []Name{Store, Currency, Time}
	case Stock:
		return []Name{Product, Count}, []Name{Store, Time}
	case Promotions:
		return []Name{Store, Week, Product}, []Name{Display, Mailer, Version}
	case Shoppers:
		return nil, Keys()
	case Consents:
		return []Name{Time}, append(Keys(), Allowed, Refused, TCF, ID, Wording, Version, Language, Channel, Country, Age, Guardian)
	default:
		return nil, nil
	}
}
